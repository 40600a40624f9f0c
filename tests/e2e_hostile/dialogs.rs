//! Calls of others: invented dialogs, wrong tags and branches, and the calls that nothing may stop.

use std::time::Duration;

use crate::support::field::{Field, PATIENCE, SILENCE, STRANGER, Words, status_in};
use crate::support::guard::{Guard, sign};
use crate::support::locked::Locked;
use crate::support::net::host;
use crate::support::phones::{Behaviour, What};
use crate::support::site::LINE;
use crate::{METHODS, OUTSIDE};

#[test]
fn n2_an_invented_dialog_opens_nothing() {
    let guard = Guard::begin();
    let mark = guard.mark();
    for (from, allowed) in [(STRANGER, &[0, 401, 403, 405, 481][..]), (host::TRUNK, &[481])] {
        let sender = guard.field.sender(from);
        for method in METHODS {
            let mut words = Words::new(method, &guard.field.uri(LINE), sender.address);
            words.to_tag = Some("invented".to_owned());
            sender.send(words.text().as_bytes());
            let answer = sender.receive(if from == STRANGER { SILENCE / 3 } else { PATIENCE });
            let mut status = answer.map_or(0, |answer| status_in(&answer));
            if status == 100 {
                status = sender.receive(PATIENCE).map_or(0, |answer| status_in(&answer));
            }
            assert!(allowed.contains(&status), "{method} from host {from}: {status}");
        }
        let mut ack = Words::new("ACK", &guard.field.uri(LINE), sender.address);
        ack.to_tag = Some("invented".to_owned());
        sender.send(ack.text().as_bytes());
    }
    guard.assert_nothing_out(mark, "a request of an invented dialog");
    guard.end(&[sign::STRANGER, sign::UNPROVEN]);
}

#[test]
fn n14_wrong_tags_branch_or_source_leave_the_call_up() {
    let guard = Guard::begin();
    let dialog = guard.field.call(LINE).expect("the call is answered");
    let byes = guard.field.phones.count(What::Bye);
    let (peer, stranger) = (guard.field.sender(host::PBX), guard.field.sender(STRANGER));
    for method in ["BYE", "INVITE", "REFER", "UPDATE", "INFO"] {
        for wrong in ["tags", "from", "route"] {
            let mut words = dialog.request(method, 9);
            match wrong {
                "tags" => {
                    words.to_tag = Some("wrong".to_owned());
                    "wrong-too".clone_into(&mut words.from_tag);
                }
                "from" => "wrong".clone_into(&mut words.from_tag),
                _ => words.more.clear(),
            }
            words.via = format!("{};rport", peer.address);
            assert_eq!(peer.status(&words.text()), 481, "{method} with the wrong {wrong}");
        }
        let mut words = dialog.request(method, 9);
        words.via = format!("{};rport", stranger.address);
        stranger.send(words.text().as_bytes());
        let answers = stranger.drain(SILENCE / 3);
        assert!(answers.iter().all(|answer| [403, 481].contains(&status_in(answer))), "{method}");
    }
    let mut ack = dialog.request("ACK", 1);
    ack.to_tag = Some("wrong".to_owned());
    peer.send(ack.text().as_bytes());
    assert_eq!(guard.field.phones.count(What::Bye), byes, "somebody else ended the call");
    guard.field.hang_up(&dialog);
    n14_cancel(&guard);
    guard.end(&[sign::UNPROVEN, sign::CANCEL]);
}

#[test]
fn n14_a_cancel_from_elsewhere_does_not_take_the_place_of_the_callers_own() {
    let guard = Guard::begin();
    for agent in ["a101", "a102"] {
        guard.field.phones.set(agent, Behaviour::Ring);
    }
    let (caller, other) = (guard.field.sender(host::TRUNK), guard.field.sender(host::PBX));
    let mut words = Words::new("INVITE", &guard.field.uri(LINE), caller.address);
    let rings = guard.field.phones.count(What::Invite);
    caller.send(words.text_with_branch("z9hG4bKshared").as_bytes());
    guard.field.phones.wait_for(What::Invite, rings + 1, PATIENCE);
    "CANCEL".clone_into(&mut words.method);
    let cancel = words.text_with_branch("z9hG4bKshared");
    assert_eq!(other.status(&cancel), 481);
    let status = caller.status(&cancel);
    assert!([200, 487].contains(&status), "the caller's own CANCEL: {status}");
    guard.field.phones.wait_for(What::Cancelled, 1, PATIENCE);
    let quick = Behaviour::Answer { quiet: Duration::from_millis(1), ring: Duration::from_millis(5) };
    for agent in ["a101", "a102"] {
        guard.field.phones.set(agent, quick);
    }
    guard.end(&[sign::CANCEL]);
}

#[test]
fn n14_a_bye_with_the_wrong_to_tag_leaves_the_agent_on_the_call() {
    let guard = Guard::begin();
    let dialogs = [guard.field.call(LINE), guard.field.call(LINE)];
    let [one, two] = dialogs.map(|dialog| dialog.expect("there are two agents"));
    let peer = guard.field.sender(host::PBX);
    let mut words = one.request("BYE", 9);
    words.via = format!("{};rport", peer.address);
    words.to_tag = Some("wrong".to_owned());
    let rings = guard.field.phones.count(What::Invite);
    assert_eq!(peer.status(&words.text()), 481);
    // Both agents are still talking, so a third call goes to the PBX.
    let three = guard.field.call(LINE).expect("the PBX answers");
    assert_eq!(guard.field.phones.count(What::Invite), rings, "a third call rang at an agent who is talking");
    for dialog in [one, two, three] {
        guard.field.hang_up(&dialog);
    }
    guard.end(&[sign::UNPROVEN]);
}

/// RFC 3891, RFC 3911, RFC 4538: headers that name somebody's call, here with everything right about it.
#[test]
fn n16_nobody_who_may_not_transfer_takes_over_a_call_of_others() {
    let guard = Guard::begin();
    let up = guard.field.call(LINE).expect("the call is answered");
    let sender = guard.field.sender(host::PBX);
    let (id, to, from) =
        (&up.words.call_id, up.words.to_tag.as_deref().unwrap_or_default(), &up.words.from_tag);
    let (mark, byes) = (guard.mark(), guard.field.phones.count(What::Bye));
    for (method, more) in [
        ("INVITE", format!("Replaces: {id};to-tag={to};from-tag={from}\r\n")),
        ("INVITE", format!("Replaces: {id};to-tag={from};from-tag={to};early-only\r\n")),
        ("INVITE", format!("replaces :\r\n {id};from-tag={from};to-tag={to}\r\n")),
        ("INVITE", format!("Join: {id};to-tag={to};from-tag={from}\r\n")),
        ("INVITE", format!("Target-Dialog: {id};local-tag={to};remote-tag={from}\r\n")),
        ("REFER", format!("Refer-To: <sip:premium@{}>\r\n", guard.victim())),
        ("REFER", format!("r: <sip:x@{}?Replaces={id}%3Bto-tag%3D{to}>\r\n", guard.victim())),
    ] {
        for number in [LINE, OUTSIDE] {
            let mut words = Words::new(method, &guard.field.uri(number), sender.address);
            words.more.clone_from(&more);
            let status = sender.status(&words.text());
            assert!([403, 481].contains(&status), "{method} {more:?}: {status}");
        }
    }
    guard.assert_nothing_out(mark, "a transfer");
    assert_eq!(guard.field.phones.count(What::Bye), byes, "the call was ended");
    guard.field.hang_up(&up);
    guard.end(&[sign::TRANSFER]);
}

/// A ringing call is cancelled by its caller only.
fn n14_cancel(guard: &Guard) {
    for agent in ["a101", "a102"] {
        guard.field.phones.set(agent, Behaviour::Ring);
    }
    let caller = guard.field.sender(host::TRUNK);
    let words = Words::new("INVITE", &guard.field.uri(LINE), caller.address);
    let (branch, rings) = ("z9hG4bKthecall", guard.field.phones.count(What::Invite));
    caller.send(words.text_with_branch(branch).as_bytes());
    guard.field.phones.wait_for(What::Invite, rings + 1, PATIENCE);
    let mut cancel = words.clone();
    "CANCEL".clone_into(&mut cancel.method);
    for (who, branch) in [(host::PBX, "z9hG4bKelse"), (host::TRUNK, "z9hG4bKanother"), (STRANGER, branch)] {
        let sender = guard.field.sender(who);
        sender.send(cancel.text_with_branch(branch).as_bytes());
        let status = sender.receive(SILENCE).map_or(0, |answer| status_in(&answer));
        let allowed = if who == STRANGER { &[0, 403, 481][..] } else { &[481] };
        assert!(allowed.contains(&status), "CANCEL from host {who}, {branch}: {status}");
    }
    assert_eq!(guard.field.phones.count(What::Cancelled), 0);
    let end = caller.status(&cancel.text_with_branch(branch));
    assert!([200, 487].contains(&end), "{end}");
    guard.field.phones.wait_for(What::Cancelled, 1, PATIENCE);
    let quick = Behaviour::Answer { quiet: Duration::from_millis(1), ring: Duration::from_millis(5) };
    for agent in ["a101", "a102"] {
        guard.field.phones.set(agent, quick);
    }
}

#[test]
fn n26_emergency_calls_pass_every_limit() {
    let guard = Guard::on(Field::open("[sip.limits]\ncalls = 1\n"));
    let sender = guard.field.sender(host::TRUNK);
    let call = guard.field.call(LINE).expect("the only call there may be");
    let status =
        |number: &str| sender.status(&Words::new("INVITE", &guard.field.uri(number), sender.address).text());
    assert_eq!(status(OUTSIDE), 503, "the limit is not in force");
    for number in ["110", "118", "119"] {
        let before = guard.field.pbx.count();
        assert_eq!(status(number), 200, "{number} under the limit of calls");
        let out = guard.field.pbx.since(before);
        let line = format!("INVITE {} ", guard.field.uri(number));
        assert!(out.iter().any(|capture| capture.text().starts_with(&line)), "{number} was rewritten");
    }
    let locked = Locked::for_everybody(&guard.field.site.database());
    for number in ["110", "118", "119"] {
        assert_eq!(status(number), 200, "{number} without a database");
    }
    drop(locked);
    guard.field.hang_up(&call);
    // The emergency calls are still up and count: the control call cannot be made, but everything else holds.
    let Guard { mut field, .. } = guard;
    assert!(field.site.server().ended().is_none());
    assert_eq!(field.victim.count(), 0);
    field.assert_answers_options("the emergency calls");
}

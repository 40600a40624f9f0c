//! Who calls: asserted, hidden, diverted, signed.

use super::world::{CARRIER, ELSEWHERE, LINE, PBX, PHONE_1, World, invite_text, with, within_dialog};
use crate::events::EventBody;
use crate::identity::CalledSource;
use crate::message::{Header, response};

const ASSERTED: &str = "P-Asserted-Identity: <sip:+81312345678@carrier.example>\r\n";

#[test]
fn i1_an_answer_asserts_only_what_a_trusted_peer_says_to_a_trusted_one() {
    let asserted: (&str, &[u8]) = ("P-Asserted-Identity", b"<sip:+81399999999@x>");
    for (caller_trusted, pbx_trusted, passes) in
        [(true, true, true), (false, true, false), (true, false, false), (false, false, false)]
    {
        let mut world = World::with(
            |settings| {
                settings.peers[0].trust_identity = caller_trusted;
                settings.peers[1].trust_identity = pbx_trusted;
            },
            |_| {},
        );
        world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
        let invite = world.one(PBX);
        for status in [180, 200] {
            world.receive(PBX, response(&invite, status, None, Some("pbx"), &[asserted]));
            let up = world.taken(CARRIER).pop().unwrap();
            let passed = up.header(Header::PAssertedIdentity).is_some();
            assert_eq!((up.status(), passed), (Some(status), passes), "{caller_trusted} {pbx_trusted}");
        }
    }
}

#[test]
fn i1_identity_of_a_trusted_peer_does_not_reach_a_phone_that_is_not_trusted() {
    let mut world = World::new();
    let text = with(&invite_text("one", CALLER, LINE), ASSERTED);
    world.receive(CARRIER, with(&text, "P-Preferred-Identity: <sip:1@x>\r\n"));
    world.answer_lookup(Ok(Vec::new()));
    let invite = world.one(PHONE_1);
    assert_eq!(invite.header(Header::PAssertedIdentity), None);
    assert_eq!(invite.header(Header::PPreferredIdentity), None);
}

/// RFC 3323: towards a phone that is not trusted, what tells of the caller goes; towards a trusted peer all
/// stays, for a privacy service behind it.
#[test]
fn i2_privacy_user_takes_the_telling_headers_away_at_the_edge() {
    let telling = "Privacy: user;id\r\nSubject: s\r\nCall-Info: <http://x>\r\nOrganization: o\r\n\
                   User-Agent: u\r\n\
                   Reply-To: <sip:r@x>\r\nIn-Reply-To: i\r\n";
    let names: [&[u8]; 6] =
        [b"Subject", b"Call-Info", b"Organization", b"User-Agent", b"Reply-To", b"In-Reply-To"];
    for (privacy, stays) in [(telling, false), (&telling[telling.find("Subject").unwrap()..], true)] {
        let mut world = World::new();
        world.receive(CARRIER, with(&with(&invite_text("one", CALLER, LINE), ASSERTED), privacy));
        if let Some(lookup) = world.lookups.first() {
            assert!(stays, "nobody is looked up who asked not to be known: {lookup:?}");
            world.answer_lookup(Ok(Vec::new()));
        }
        let invite = world.one(PHONE_1);
        assert!(names.iter().all(|name| invite.header_named(name).is_some() == stays), "{invite:?}");
        assert_eq!(invite.header(Header::PAssertedIdentity), None);
        assert_eq!(invite.header(Header::Privacy).is_some(), !stays, "the wish itself goes along");
    }
    let mut world = World::new();
    world.receive(CARRIER, with(&with(&invite_text("one", CALLER, ELSEWHERE), ASSERTED), telling));
    let invite = world.one(PBX);
    assert!(names.iter().all(|name| invite.header_named(name).is_some()));
    assert!(invite.header(Header::PAssertedIdentity).is_some());
}

/// RFC 3323 §5: a privacy that the caller insists on and that cannot be given is a refusal, but only where
/// the trust domain ends; and no agent's phone rests for it.
#[test]
fn i2_a_critical_privacy_that_cannot_be_given_stays_within_the_trust_domain() {
    let mut world = World::new();
    let critical = |call, to| with(&invite_text(call, CALLER, to), "Privacy: header;critical\r\n");
    world.receive(CARRIER, critical("one", LINE));
    assert_eq!(world.one(PBX).header(Header::Privacy), Some(&b"header;critical"[..]), "the PBX is trusted");
    assert!(world.taken(PHONE_1).is_empty());

    let mut world = World::with(|settings| settings.peers[1].trust_identity = false, |_| {});
    world.receive(CARRIER, critical("one", LINE));
    assert_eq!(world.statuses(), [100, 500]);
    assert!(world.taken(PBX).is_empty() && world.taken(PHONE_1).is_empty());
    world.receive(CARRIER, critical("two", "119"));
    assert_eq!(world.taken(PBX).len(), 1, "an emergency call is never refused");
    world.invite_unknown("three");
    assert_eq!(world.taken(PHONE_1).len(), 1, "no phone was made to rest");
}

#[test]
fn i3_diversion_and_history_info_pass_and_the_first_called_number_can_be_the_line() {
    let headers = "Diversion: <sip:0399999999@x>;reason=no-answer\r\n\
                   Diversion: <sip:0312345678@x>;reason=unconditional\r\n\
                   History-Info: <sip:0312345678@x>;index=1\r\n";
    let mut world = World::new();
    world.receive(CARRIER, with(&invite_text("one", CALLER, ELSEWHERE), headers));
    let invite = world.one(PBX);
    assert_eq!(invite.headers(Header::Diversion).count(), 2);
    assert_eq!(invite.header(Header::HistoryInfo), Some(&b"<sip:0312345678@x>;index=1"[..]));

    let order = vec![CalledSource::FirstDiversion, CalledSource::To];
    let mut world = World::with(|settings| settings.peers[0].called_number = order, |_| {});
    world.receive(CARRIER, with(&invite_text("one", CALLER, ELSEWHERE), headers));
    world.answer_lookup(Ok(Vec::new()));
    let invite = world.one(PHONE_1);
    assert_eq!(invite.headers(Header::Diversion).count(), 2);
    let Some(pop) = pop_of(&world) else { panic!("an offer") };
    assert_eq!(pop.caller.e164.as_deref(), Some("+819012345678"), "the customer is who calls");
    assert_eq!(
        pop.caller.diverted_by.as_deref(),
        Some("03-9999-9999"),
        "who sent the call here, for the screen"
    );
}

/// RFC 8224: the signature covers To, From, Date and the body's fingerprints; a verifier behind us must find
/// every octet of them.
#[test]
fn i4_identity_and_all_it_signs_pass_octet_for_octet() {
    let long = format!(
        "Identity: eyJhbGciOiJFUzI1NiJ9.{}..sig;info=<https://cert.example/c.pem>;alg=ES256;ppt=shaken",
        "A".repeat(900)
    );
    let signed = format!(
        "{long}\r\nIdentity: second;info=<https://x>;ppt=div\r\nDate:  Sat, 21 Nov 2026 10:00:00 GMT\r\n"
    );
    for (number, to) in [(ELSEWHERE, PBX), (LINE, PHONE_1)] {
        let mut world = World::new();
        let text = with(
            &invite_text("one", "\"Y\" <sip:+819012345678@carrier.example;user=phone>", number),
            &signed,
        );
        world.receive(CARRIER, text.clone());
        if number == LINE {
            world.answer_lookup(Ok(Vec::new()));
        }
        let invite = world.one(to);
        let sent = String::from_utf8(invite.bytes().to_vec()).unwrap();
        for line in text.split("\r\n").filter(|line| {
            ["Identity:", "Date:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:"]
                .iter()
                .any(|name| line.starts_with(name))
        }) {
            assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line}");
        }
        assert_eq!(invite.body(), b"v=0\n");
    }
}

#[test]
fn i5_verstat_annotates_the_card_only_when_a_trusted_peer_says_it() {
    let passed = "<sip:+819012345678;verstat=TN-Validation-Passed@carrier.example;user=phone>";
    for (trusted, from, verified) in [(true, passed, true), (false, passed, false), (true, CALLER, false)] {
        let mut world = World::with(|settings| settings.peers[0].trust_identity = trusted, |_| {});
        world.receive(CARRIER, invite_text("one", from, LINE));
        world.answer_lookup(Ok(Vec::new()));
        let invite = world.one(PHONE_1);
        let sent = invite.header(Header::From).unwrap();
        assert_eq!(sent, format!("{from};tag=caller").as_bytes(), "From is not ours to change");
        let Some(pop) = pop_of(&world) else { panic!("an offer") };
        assert_eq!(pop.caller.verified, Some(verified), "{trusted} {from}");
    }
}

#[test]
fn i6_the_request_uri_becomes_the_contact_and_to_stays() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    assert_eq!(invite.request_uri(), format!("sip:a1@{PHONE_1}").as_bytes());
    assert_eq!(invite.header(Header::To), Some(&b"<sip:0312345678@192.0.2.1>"[..]));
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("INVITE", 2, &ok));
    let again = world.taken(PHONE_1).pop().unwrap();
    assert_eq!(
        again.request_uri(),
        format!("sip:phone@{PHONE_1}").as_bytes(),
        "within the dialog its Contact"
    );
}

/// RFC 3966: each trunk says how it writes numbers; the same digits mean what its context makes of them.
#[test]
fn i8_numbers_are_read_by_the_trunks_context() {
    for (bare, e164) in [(true, Some("+819012345678")), (false, None)] {
        let mut world = World::with(|settings| settings.peers[0].numbering.bare_country_code = bare, |_| {});
        world.receive(CARRIER, invite_text("one", "<sip:819012345678@carrier.example>", LINE));
        assert_eq!(
            world.lookups.first().map(|(_, number)| number.as_str()),
            e164,
            "bare country code {bare}"
        );
    }
    for from in ["<tel:+81-90-1234-5678>", "<sip:09012345678@x>", "<sip:+819012345678@x;user=phone>"] {
        let mut world = World::new();
        world.receive(CARRIER, invite_text("one", from, LINE));
        let looked_up = world.lookups.first().map(|(_, number)| number.as_str());
        assert_eq!(looked_up, Some("+819012345678"), "{from}: {looked_up:?}");
    }
}

fn pop_of(world: &World) -> Option<crate::events::PopDocument> {
    world.events.iter().find_map(|event| {
        let EventBody::PopOffered { pop, .. } = &event.body else { return None };
        Some((**pop).clone())
    })
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";

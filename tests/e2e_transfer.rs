//! A PBX in front of toritsugi that carries out what phones ask by REFER (M095): the call keeps its id, the
//! card goes to the receiver, and the second transfer needs a supervisor.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use support::desk::{Desk, Frame};
use support::field::{Sender, Words, status_of};
use support::log::{Log, poll};
use support::sip::Message;
use support::site::{LINE, NOBODY_WAITS, Site, agent_ids};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn m095_a_refer_that_the_pbx_carries_out_takes_the_call_along_and_is_allowed_once() {
    let house = House::open();
    let first = house.call(&format!("sip:{LINE}@{}", house.site.sip()), "");
    let sender = first.invite.request_user();
    let receiver = agent_ids(2).into_iter().find(|agent| *agent != sender).expect("there are two");
    let offered = house.desk(&sender).wait_for(SOON, |frame| frame.is("pop.offered"));
    let call = offered.call().to_owned();

    house.refers(&first, &format!("<sip:{receiver}@{}>", house.site.sip()), "202 Accepted");
    house.desk(&sender).wait_for(SOON, |frame| frame.is("transfer.started") && frame.call() == call);
    let uri = format!("sip:{receiver}@{}", house.site.sip());
    let second = house.call(&uri, &format!("Referred-By: <sip:{sender}@phones.example>\r\n"));
    assert_eq!(second.invite.request_user(), receiver);
    let offered = house.desk(&receiver).wait_for(SOON, |frame| frame.is("pop.offered"));
    assert_eq!(offered.call(), call, "the call keeps its id");
    assert_eq!(offered.json["data"]["transfer"], json!({"count": 1, "limit": 1}));
    assert_eq!(offered.json["data"]["offer"]["reason"], "transferred");
    assert_eq!(offered.json["data"]["offer"]["via"], sender.as_str());
    assert_eq!(offered.e164(), "+81312345678", "the original caller");
    let done = house.desk(&sender).wait_for(SOON, |frame| frame.is("transfer.done"));
    assert_eq!(done.json["data"]["count"], 1);
    house.desk(&sender).wait_for(SOON, |frame| frame.is("wrapup.started"));

    let again = format!("<sip:{sender}@{}>", house.site.sip());
    assert_eq!(house.refused(&second, &again), 403);
    house.desk(&receiver).wait_for(SOON, |frame| frame.is("transfer.refused"));
    let chief = Desk::open(house.site.http(), house.site.log_in("chief").token(), "chief", &house.frames);
    chief.command("01JDGRANT", "approval.grant", Some((&call, 1)), &json!({"what": "transfer"}));
    let reply = chief.wait_for(SOON, |frame| frame.json["replies_to"] == "01JDGRANT");
    assert_eq!(reply.json["ok"], true, "{}", reply.json);
    house.refers(&second, &again, "603 Decline");
    house.desk(&receiver).wait_for(SOON, |frame| frame.is("transfer.failed"));

    house.hangs_up(&first);
    house.hangs_up(&second);
    let api = house.site.log_in("chief");
    let record = poll(SOON, || {
        let answer = api.get(&format!("/api/v1/calls/{call}"));
        Some(answer).filter(|answer| answer.status == 200 && !answer.body["ended_at"].is_null())
    });
    let record = record.expect("the call is recorded").body;
    assert_eq!(record["transfer_count"], 1, "{record}");
    assert_eq!(record["handled_by"], json!([sender, receiver]));
    assert_eq!(record["end_reason"], "completed");
}

struct House {
    // Screens close before the server stops.
    desks: Vec<(String, Desk)>,
    frames: Arc<Log<Frame>>,
    pbx: Sender,
    phones: Sender,
    site: Site,
}

/// A call that is up: what the PBX sent and got, and what the phone got.
struct Talk {
    words: Words,
    answer: Message,
    invite: Message,
}

impl House {
    fn open() -> Self {
        let mut site = Site::new("wrap_up_s = 60\nphone_silent_ms = 0", NOBODY_WAITS);
        site.change("name = \"carrier\"\n", "name = \"carrier\"\ntransfers = true\n");
        site.add_agents(2, &site.phones().to_string());
        site.add_user("chief", "supervisor", None);
        let pbx = Sender::new(site.trunk(), site.sip());
        let phones = Sender::new(site.phones(), site.sip());
        site.serve();
        let frames = Arc::new(Log::default());
        let desks =
            agent_ids(2).into_iter().map(|agent| (agent.clone(), site.open_desk(&agent, &frames))).collect();
        Self { desks, frames, pbx, phones, site }
    }

    fn desk(&self, agent: &str) -> &Desk {
        &self.desks.iter().find(|(id, _)| id == agent).expect("every agent has a screen").1
    }

    /// The PBX calls, and the phone that rings answers.
    fn call(&self, uri: &str, headers: &str) -> Talk {
        let mut words = Words::new("INVITE", uri, self.pbx.address);
        words.more = headers.to_owned();
        self.pbx.send(words.text().as_bytes());
        let call = words.call_id.clone();
        let invite = next(&self.phones, |it| it.method() == Some("INVITE") && it.call_id() == call);
        let contact = [format!("Contact: <sip:phone@{}>", self.phones.address)];
        self.phones.send(&invite.response("200 OK", &tag_of(&call), &contact, ""));
        let answer = next(&self.pbx, |it| status_of(it) == 200 && it.call_id() == call);
        words.to_tag = answer.to_tag();
        let talk = Talk { words, answer, invite };
        self.pbx.send(talk.of_caller("ACK", 1).text().as_bytes());
        next(&self.phones, |it| it.method() == Some("ACK"));
        talk
    }

    /// The phone passes the caller on, and the PBX answers its REFER.
    fn refers(&self, talk: &Talk, to: &str, answer: &str) {
        self.phones
            .send(talk.of_phone("REFER", self.phones.address, &format!("Refer-To: {to}\r\n")).as_bytes());
        let refer = next(&self.pbx, |it| it.method() == Some("REFER"));
        self.pbx.send(&refer.response(answer, "x", &[], ""));
        next(&self.phones, |it| answer.starts_with(&status_of(it).to_string()));
    }

    /// What the phone is told without the PBX having been asked.
    fn refused(&self, talk: &Talk, to: &str) -> u16 {
        self.phones
            .send(talk.of_phone("REFER", self.phones.address, &format!("Refer-To: {to}\r\n")).as_bytes());
        status_of(&next(&self.phones, |it| status_of(it) >= 300))
    }

    /// The PBX ends this dialog.
    fn hangs_up(&self, talk: &Talk) {
        self.pbx.send(talk.of_caller("BYE", 9).text().as_bytes());
        let call = talk.words.call_id.clone();
        let bye = next(&self.phones, |it| it.method() == Some("BYE") && it.call_id() == call);
        self.phones.send(&bye.response("200 OK", "x", &[], ""));
        next(&self.pbx, |it| status_of(it) == 200 && it.call_id() == call);
    }
}

impl Talk {
    fn of_caller(&self, method: &str, cseq: u32) -> Words {
        let mut words = self.words.clone();
        words.method = method.to_owned();
        words.cseq = cseq;
        words.uri = bare(self.answer.header("contact").expect("a 200 has a Contact"));
        // RFC 3261 §12.1.2: the route set is the Record-Route in reverse order.
        let mut routes: Vec<_> = self.answer.all("record-route").collect();
        routes.reverse();
        words.more = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        words
    }

    fn of_phone(&self, method: &str, from: std::net::SocketAddr, headers: &str) -> String {
        let mut words =
            Words::new(method, &bare(self.invite.header("contact").expect("an INVITE has a Contact")), from);
        words.call_id = self.invite.call_id();
        words.from_tag = tag_of(&words.call_id);
        words.to_tag = Some(self.words.from_tag.clone());
        words.cseq = support::field::fresh();
        let routes: String =
            self.invite.all("record-route").map(|route| format!("Route: {route}\r\n")).collect();
        words.more = format!("{routes}{headers}");
        words.text()
    }
}

/// The phone's tag in the dialog with this Call-ID.
fn tag_of(call: &str) -> String {
    format!("phone-{}", call.len())
}

fn bare(contact: &str) -> String {
    contact.trim_matches(['<', '>']).to_owned()
}

/// The next message of that kind; everything before it is passed over.
#[track_caller]
fn next(socket: &Sender, is_it: impl Fn(&Message) -> bool) -> Message {
    let end = Instant::now() + SOON;
    let mut seen = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        let Some(message) = socket.receive(left).and_then(|bytes| Message::read(&bytes)) else { continue };
        if is_it(&message) {
            return message;
        }
        seen.push(message.start);
    }
    panic!("not what was awaited: {seen:?}");
}

//! What the hub promises: no gap, nothing twice, and a client that comes back ends where one that stayed is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::{
    CallerInfo, DialledInfo, MatchInfo, MatchLevel, OfferInfo, OpenItems, PopDocument, Sources, TransferInfo,
};
use super::*;
use crate::clock::Moment;
use crate::guidance::Guidance;
use crate::presence::{OfferId, SetBy};

const AGENT: &str = "a102";

#[test]
fn events_of_a_stream_are_numbered_without_gaps_and_share_one_id() {
    let mut hub = hub();
    let mut event = pop_offered("c-1", 1);
    event.audience.push(Audience::Team("t1".into()));

    let first = hub.publish(at(0), &event);
    let second = hub.publish(at(1), &withdrawn("c-1", 2, WithdrawCause::CallerGaveUp));

    assert_eq!(first.iter().map(|frame| frame.seq).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(first[0].id, first[1].id);
    assert_eq!(second[0].seq, 2);
    let wire: Value = serde_json::from_slice(&first[0].text).unwrap();
    assert_eq!(wire["v"], 1);
    assert_eq!(wire["kind"], "event");
    assert_eq!(wire["type"], "pop.offered");
    assert_eq!(wire["stream"], "agent:a102");
    assert_eq!(wire["seq"], 1);
    assert_eq!(wire["call"], "c-1");
    assert_eq!(wire["rev"], 1);
    assert_eq!(wire["ack"], "render");
    assert_eq!(wire["expires"], "2026-11-22T00:00:30.000Z");
    assert_eq!(wire["data"]["caller"]["presentation"], "withheld");
}

#[test]
fn who_comes_without_a_position_gets_a_snapshot_with_the_present_number() {
    let mut hub = hub();
    hub.publish(at(0), &pop_offered("c-1", 1));
    hub.learn_presence(presence("available", 0));

    let attached = hub.attach(at(1), &own(), None);

    assert!(!attached.resumed);
    assert_eq!(attached.seq, 1);
    let [snapshot, done] = values(&attached.texts).try_into().expect("a snapshot and its end");
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["seq"], 1);
    assert_eq!(snapshot["data"]["pops"][0]["call"], "c-1");
    assert_eq!(snapshot["data"]["pops"][0]["state"], "offered");
    assert_eq!(snapshot["data"]["pops"][0]["data"]["offer"]["rule"], "r-1");
    assert_eq!(snapshot["data"]["presence"]["status"], "available");
    assert_eq!(done["type"], "sync.done");
    assert_eq!(done["seq"], 1);
}

#[test]
fn who_comes_back_gets_what_followed_marked_as_replay() {
    let mut hub = hub();
    hub.publish(at(0), &pop_offered("c-1", 1));
    let position = Position { epoch: hub.attach(at(0), &own(), None).epoch, seq: 1 };
    hub.publish(at(1), &taken("c-1", 2, AGENT));

    let attached = hub.attach(at(2), &own(), Some(&position));

    assert!(attached.resumed);
    let [replayed, done] = values(&attached.texts).try_into().expect("one event and its end");
    assert_eq!((replayed["type"].as_str(), replayed["seq"].as_u64()), (Some("pop.taken"), Some(2)));
    assert_eq!(replayed["replay"], true);
    assert_eq!((done["type"].as_str(), done["seq"].as_u64()), (Some("sync.done"), Some(2)));
}

#[test]
fn a_foreign_epoch_or_a_number_from_the_future_gets_a_snapshot() {
    let mut hub = hub();
    hub.publish(at(0), &pop_offered("c-1", 1));
    let epoch = hub.attach(at(0), &own(), None).epoch;

    let foreign = hub.attach(at(0), &own(), Some(&Position { epoch: "zzzz".into(), seq: 1 }));
    let future = hub.attach(at(0), &own(), Some(&Position { epoch, seq: 2 }));

    assert!(!foreign.resumed && !future.resumed);
}

#[test]
fn an_event_is_kept_for_its_time_and_for_its_place() {
    let settings = HubSettings {
        keep_for: Duration::from_secs(600),
        keep_events: 3,
        at_most_events: 6,
        ..HubSettings::default()
    };
    let mut hub = Hub::new(settings, [1; 32]);
    for second in 0..5 {
        hub.publish(at(second), &event(EventBody::CallRinging, None, None));
    }
    assert_eq!(hub.buffered(), 5, "young events stay although there are more than three");

    hub.publish(at(700), &event(EventBody::CallRinging, None, None));
    assert_eq!(hub.buffered(), 3, "three stay although they are old");

    for _ in 0..9 {
        hub.publish(at(701), &event(EventBody::CallRinging, None, None));
    }
    assert_eq!(hub.buffered(), 6, "no more than the hard limit");
}

#[test]
fn an_offer_that_is_over_comes_back_as_one_missed_call() {
    let mut hub = hub();
    let position = Position { epoch: hub.attach(at(0), &own(), None).epoch, seq: 0 };
    hub.publish(at(1), &pop_offered("c-1", 1));
    hub.publish(at(2), &event(EventBody::CallRinging, Some("c-1"), None));
    hub.publish(at(3), &withdrawn("c-1", 2, WithdrawCause::CallerGaveUp));
    hub.publish(at(3), &event(EventBody::PopMissed, Some("c-1"), Some(3)));
    hub.publish(at(4), &pop_offered("c-2", 1));

    let replayed = values(&hub.attach(at(5), &own(), Some(&position)).texts);

    assert_eq!(names(&replayed), ["pop.missed", "pop.offered", "sync.done"]);
    assert_eq!(replayed[0]["call"], "c-1");
    assert_eq!(replayed[0]["seq"], 4);
}

#[test]
fn a_withdrawn_offer_without_a_word_of_missing_still_becomes_one_missed_call() {
    let mut hub = hub();
    let position = Position { epoch: hub.attach(at(0), &own(), None).epoch, seq: 0 };
    hub.publish(at(1), &pop_offered("c-1", 1));
    let gone = hub.publish(at(3), &withdrawn("c-1", 2, WithdrawCause::AnsweredElsewhere));

    let replayed = values(&hub.attach(at(5), &own(), Some(&position)).texts);

    assert_eq!(names(&replayed), ["pop.missed", "sync.done"]);
    assert_eq!(replayed[0]["id"], gone[0].id.as_str());
    assert_eq!(replayed[0]["replay"], true);
    assert_eq!(replayed[0]["data"]["cause"], "answered_elsewhere");
}

#[test]
fn what_the_agent_declined_or_answered_is_not_missed() {
    let mut hub = hub();
    let position = Position { epoch: hub.attach(at(0), &own(), None).epoch, seq: 0 };
    hub.publish(at(1), &pop_offered("c-1", 1));
    hub.publish(at(2), &withdrawn("c-1", 2, WithdrawCause::Declined));
    hub.publish(at(3), &pop_offered("c-2", 1));
    hub.publish(at(4), &taken("c-2", 2, AGENT));
    hub.publish(at(5), &event(EventBody::PopClosed, Some("c-2"), Some(3)));

    let replayed = values(&hub.attach(at(6), &own(), Some(&position)).texts);

    assert_eq!(names(&replayed), ["pop.withdrawn", "pop.closed", "sync.done"]);
}

#[test]
fn who_saw_the_offer_also_sees_its_end() {
    let mut hub = hub();
    hub.publish(at(1), &pop_offered("c-1", 1));
    let position = Position { epoch: hub.attach(at(1), &own(), None).epoch, seq: 1 };
    hub.publish(at(2), &withdrawn("c-1", 2, WithdrawCause::Timeout));
    hub.publish(at(2), &event(EventBody::PopMissed, Some("c-1"), Some(3)));

    let replayed = values(&hub.attach(at(3), &own(), Some(&position)).texts);

    assert_eq!(names(&replayed), ["pop.withdrawn", "pop.missed", "sync.done"]);
}

#[test]
fn of_presences_only_the_latest_of_each_agent_is_replayed() {
    let mut hub = hub();
    let position = Position { epoch: hub.attach(at(0), &own(), None).epoch, seq: 0 };
    for (second, status) in [(1, "away"), (2, "available"), (3, "offline")] {
        hub.publish(at(second), &event(EventBody::PresenceChanged(presence(status, second)), None, None));
    }

    let replayed = values(&hub.attach(at(5), &own(), Some(&position)).texts);

    assert_eq!(names(&replayed), ["presence.changed", "sync.done"]);
    assert_eq!(replayed[0]["data"]["status"], "offline");
    assert_eq!(replayed[0]["seq"], 3);
}

#[test]
fn a_new_life_starts_from_zero_with_a_snapshot_and_without_doubtful_cards() {
    let mut hub = hub();
    hub.publish(at(1), &pop_offered("c-1", 1));
    hub.publish(at(1), &pop_offered("c-2", 1));
    let before = hub.attach(at(1), &own(), None).epoch;

    let texts = values(&hub.renew(at(2), &own(), &[CallId::new("c-1")]));

    assert_eq!(names(&texts), ["snapshot", "sync.done"]);
    assert_ne!(texts[0]["epoch"], before.as_str());
    assert_eq!(texts[0]["seq"], 0);
    assert_eq!(texts[0]["data"]["pops"].as_array().map(Vec::len), Some(1));
    assert_eq!(hub.publish(at(3), &withdrawn("c-2", 2, WithdrawCause::Policy))[0].seq, 1);
}

#[test]
fn a_card_of_any_size_fits_a_frame() {
    let mut event = pop_offered("c-1", 1);
    let EventBody::PopOffered { pop, .. } = &mut event.body else { unreachable!("made above") };
    let mut huge = PopDocument::clone(pop);
    huge.dialled.client_name = "あ".repeat(200_000);
    *pop = Arc::new(huge);

    let frames = hub().publish(at(0), &event);

    assert!(frames[0].text.len() <= wire::SERVER_FRAME_BYTES, "{}", frames[0].text.len());
}

#[test]
fn a_stranger_stream_beyond_the_limit_is_counted() {
    let mut hub = Hub::new(HubSettings { streams: 1, ..HubSettings::default() }, [1; 32]);
    hub.publish(at(0), &pop_offered("c-1", 1));
    let mut other = pop_offered("c-1", 1);
    other.audience = vec![Audience::Admin];

    assert!(hub.publish(at(0), &other).is_empty());
    assert_eq!(hub.dropped(), 1);
}

proptest! {
    /// A client that stayed and a client that came back at any moment show the same cards.
    #[test]
    fn resuming_anywhere_ends_where_staying_ends(steps in steps(), left in 0_usize..40) {
        let mut hub = hub();
        let start = hub.attach(at(0), &own(), None);
        let mut stayed = Client::default();
        stayed.read_all(&start.texts);
        let mut back: Option<Client> = (left == 0).then(|| stayed.clone());
        for (index, step) in steps.iter().enumerate() {
            for frame in hub.publish(at(1 + index), step) {
                prop_assert_eq!(frame.seq, stayed.seq + 1);
                stayed.read(&frame.text);
            }
            if index + 1 == left {
                back = Some(stayed.clone());
            }
        }
        let mut back = back.unwrap_or_else(|| stayed.clone());
        let position = Position { epoch: start.epoch, seq: back.seq };
        let attached = hub.attach(at(100), &own(), Some(&position));
        prop_assert!(attached.resumed);
        back.read_all(&attached.texts);
        prop_assert_eq!(&back.cards, &stayed.cards);
        prop_assert_eq!(&back.presence, &stayed.presence);
        prop_assert_eq!(back.seq, stayed.seq);

        let mut fresh = Client::default();
        fresh.read_all(&hub.attach(at(100), &own(), None).texts);
        prop_assert_eq!(&fresh.cards, &stayed.cards);
    }
}

/// A client as simple as the protocol allows.
#[derive(Clone, Debug, Default)]
struct Client {
    seq: u64,
    cards: BTreeMap<String, u64>,
    presence: Option<String>,
}

impl Client {
    fn read_all(&mut self, texts: &[Bytes]) {
        texts.iter().for_each(|text| self.read(text));
    }

    fn read(&mut self, text: &Bytes) {
        let frame: Value = serde_json::from_slice(text).unwrap();
        self.seq = frame["seq"].as_u64().expect("every stream frame has a number");
        let call = frame["call"].as_str().unwrap_or_default().to_owned();
        let rev = frame["rev"].as_u64().unwrap_or(0);
        match frame["type"].as_str().expect("a type") {
            "snapshot" => {
                self.cards = frame["data"]["pops"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|pop| (pop["call"].as_str().unwrap().to_owned(), pop["rev"].as_u64().unwrap()))
                    .collect();
            }
            "pop.offered" => {
                self.cards.insert(call, rev);
            }
            "pop.taken" | "pop.claimed" => {
                self.cards.entry(call).and_modify(|shown| *shown = rev.max(*shown));
            }
            "pop.withdrawn" | "pop.missed" | "pop.closed" => {
                self.cards.remove(&call);
            }
            "presence.changed" => self.presence = frame["data"]["status"].as_str().map(str::to_owned),
            _ => {}
        }
    }
}

/// Any order of what may happen to three calls, as the state machine allows it.
fn steps() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec((0_usize..3, 0_u8..6), 0..40).prop_map(|choices| {
        let mut revs = [0_u32; 3];
        let mut live = [false; 3];
        let mut steps = Vec::new();
        for (which, what) in choices {
            let call = format!("c-{which}");
            revs[which] += 1;
            let rev = revs[which];
            match (live[which], what) {
                (_, 5) => {
                    let document = presence(if rev % 2 == 0 { "away" } else { "available" }, 1);
                    steps.push(event(EventBody::PresenceChanged(document), None, None));
                }
                (false, _) => {
                    live[which] = true;
                    steps.push(pop_offered(&call, rev));
                }
                (true, 0) => steps.push(taken(&call, rev, AGENT)),
                (true, 1) => {
                    let body = EventBody::PopClaimed { by: AgentId::new(AGENT) };
                    steps.push(event(body, Some(&call), Some(rev)));
                }
                (true, 2) => {
                    live[which] = false;
                    steps.push(withdrawn(&call, rev, WithdrawCause::Timeout));
                    steps.push(event(EventBody::PopMissed, Some(&call), Some(rev)));
                }
                (true, 3) => {
                    live[which] = false;
                    steps.push(withdrawn(&call, rev, WithdrawCause::AnsweredElsewhere));
                }
                (true, _) => {
                    live[which] = false;
                    steps.push(event(EventBody::PopClosed, Some(&call), Some(rev)));
                }
            }
        }
        steps
    })
}

fn hub() -> Hub {
    Hub::new(HubSettings::default(), [1; 32])
}

fn own() -> Audience {
    Audience::Agent(AgentId::new(AGENT))
}

fn at(second: usize) -> Now {
    let second = i64::try_from(second).unwrap();
    Now {
        moment: Moment::from_micros(u64::try_from(second).unwrap() * 1_000_000),
        wall: start() + SignedDuration::from_secs(second),
    }
}

fn start() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn event(body: EventBody, call: Option<&str>, rev: Option<u32>) -> Event {
    let call = call.map(CallId::new);
    Event { at: start(), call, rev, audience: vec![own()], expires: None, body }
}

fn pop_offered(call: &str, rev: u32) -> Event {
    let body = EventBody::PopOffered { offer: OfferId::new("o-1"), announce: true, pop: Arc::new(pop()) };
    Event { expires: Some(start() + SignedDuration::from_secs(30)), ..event(body, Some(call), Some(rev)) }
}

fn withdrawn(call: &str, rev: u32, cause: WithdrawCause) -> Event {
    event(EventBody::PopWithdrawn { cause }, Some(call), Some(rev))
}

fn taken(call: &str, rev: u32, by: &str) -> Event {
    event(EventBody::PopTaken { by: AgentId::new(by) }, Some(call), Some(rev))
}

fn presence(status: &str, second: usize) -> PresenceDocument {
    PresenceDocument {
        agent: AgentId::new(AGENT),
        status: status.to_owned(),
        reason: None,
        state: "idle".to_owned(),
        since: at(second).wall,
        until: None,
        next_start: None,
        set_by: SetBy::Manual,
        call: None,
        overlays: Vec::new(),
    }
}

fn pop() -> PopDocument {
    PopDocument {
        offer: OfferInfo {
            reason: "group".into(),
            rule: "r-1".into(),
            ring_limit_s: 10,
            others: 1,
            via: None,
        },
        caller: CallerInfo {
            presentation: "withheld".into(),
            e164: None,
            national: None,
            kind: None,
            name: None,
            verified: None,
            diverted_by: None,
            label_ja: Some("非通知".into()),
            label_en: Some("Withheld".into()),
        },
        dialled: DialledInfo {
            number: "0120-123-456".into(),
            client: "cl-7".into(),
            client_name: "青葉".into(),
        },
        matched: MatchInfo { level: MatchLevel::None, count: 0, customer: None, candidates: vec![] },
        notices: vec![],
        flags: vec![],
        assignee: None,
        contacts: vec![],
        open: OpenItems::default(),
        guidance: Guidance::default(),
        actions: vec!["take".into()],
        transfer: TransferInfo { count: 0, limit: 1, note: None },
        sources: Sources { local: "ok".into(), crm: "off".into() },
    }
}

fn values(texts: &[Bytes]) -> Vec<Value> {
    texts.iter().map(|text| serde_json::from_slice(text).expect("a frame is JSON")).collect()
}

fn names(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().expect("an event has a type")).collect()
}

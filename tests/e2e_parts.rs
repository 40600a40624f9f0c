//! The parts of the end-to-end tests among themselves, without toritsugi: what they prove must not be their
//! own fault.

mod support;

use std::process::Command;
use std::time::{Duration, SystemTime};

use support::desk::Frame;
use support::judge::{Stamps, delayed, doubled_at_phones, doubled_on_screens, pop_leads};
use support::locked::Locked;
use support::needs::needs;
use support::net::{Net, host};
use support::phones::{Behaviour, PhoneEvent, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::wav::{read, share_of_tone, write_tone};

const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(5), ring: Duration::from_millis(20) };

#[test]
fn every_call_of_sipp_is_answered_by_the_phones_and_each_invite_arrives_after_it_was_sent() {
    if !needs(&["sipp"]) {
        return;
    }
    let bench = Bench::new(PICK_UP);
    assert_eq!(bench.calls("uac", 50), Outcome { successful: 50, failed: 0 });
    for what in [What::Invite, What::Answered, What::Acked, What::Bye] {
        assert_eq!(bench.phones.count(what), 50, "{what:?}");
    }
    bench.phones.log.read(|events| {
        for event in events.iter().filter(|event| event.what == What::Invite) {
            let sent = event.sent.expect("the scenario writes X-Sent");
            let under_way = event.at.duration_since(sent).expect("nothing arrives before it was sent");
            assert!(under_way < Duration::from_secs(1), "{under_way:?} on the loopback");
        }
    });
}

#[test]
fn a_caller_who_gives_up_cancels_the_ringing_phone() {
    if !needs(&["sipp"]) {
        return;
    }
    let bench = Bench::new(Behaviour::Ring);
    assert_eq!(bench.calls("uac_cancel", 5), Outcome { successful: 5, failed: 0 });
    assert_eq!(bench.phones.count(What::Cancelled), 5);
}

#[test]
fn a_busy_phone_is_a_failed_call_for_the_caller() {
    if !needs(&["sipp"]) {
        return;
    }
    let bench = Bench::new(Behaviour::Busy);
    assert_eq!(bench.calls("uac", 5), Outcome { successful: 0, failed: 5 });
    assert_eq!(bench.phones.count(What::Refused), 5);
}

#[test]
fn a_database_locked_for_everybody_cannot_be_read_by_another_process() {
    if !needs(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let database = folder.path().join("t.db");
    let python = |script: &str| {
        let output = Command::new("python3").arg("-c").arg(script).arg(&database).output();
        let output = output.expect("python3 was found a moment ago");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    python(
        "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1])\nc.execute('pragma journal_mode=wal')\n\
         c.execute('create table t(a)')\nc.commit()\nos._exit(0)",
    );
    let read = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=0.1)\n\
         try: print('read', c.execute('select count(*) from t').fetchone()[0])\n\
         except sqlite3.OperationalError as e: print(e)";
    assert_eq!(python(read).trim(), "read 0");
    let writers = Locked::for_writers(&database);
    assert_eq!(python(read).trim(), "read 0", "in WAL mode a writer does not keep readers out");
    drop(writers);
    let everybody = Locked::for_everybody(&database);
    // SQLite tries for some ten seconds before it says so.
    assert_eq!(python(read).trim(), "locking protocol");
    drop(everybody);
    assert_eq!(python(read).trim(), "read 0");
}

#[test]
fn a_tone_is_found_in_a_recording_and_another_is_not() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let file = folder.path().join("tone.wav");
    write_tone(&file, 440.0, 1);
    let samples = read(&file);
    assert_eq!(samples.len(), 8000);
    assert!(share_of_tone(&samples, 440.0) > 0.99);
    assert!(share_of_tone(&samples, 1000.0) < 0.01);
    assert!(share_of_tone(&[0; 8000], 440.0) < f64::EPSILON);
}

#[test]
fn a_pop_after_its_invite_is_late_and_one_before_it_is_not() {
    let invites = [event(10, What::Invite, "1")];
    let judged = |frames: &[Frame]| pop_leads(frames, &invites, Stamps::OfReads);
    assert_eq!(judged(&[frame(9, "pop.offered", "c")]).first, [Duration::from_millis(1)]);
    assert_eq!(judged(&[frame(11, "pop.offered", "c")]).late.len(), 1);
    assert_eq!(judged(&[]).late, ["a101: no pop of +81312340001"]);
}

#[test]
fn a_pop_read_together_with_a_later_frame_may_have_been_there_before() {
    let invites = [event(10, What::Invite, "1")];
    let joined = [frame(11, "pop.offered", "c"), frame(11, "call.ringing", "c")];
    let read = pop_leads(&joined, &invites, Stamps::OfReads);
    assert_eq!((read.late.len(), read.unclear), (0, 1));
    let seen = pop_leads(&joined, &invites, Stamps::OfPackets);
    assert_eq!((seen.late.len(), seen.unclear), (1, 0));
}

#[test]
fn a_second_invite_before_the_end_of_the_first_call_is_doubled() {
    let after = [event(1, What::Invite, "1"), event(2, What::Bye, "1"), event(3, What::Invite, "2")];
    assert!(doubled_at_phones(&after).is_empty());
    let during = [event(1, What::Invite, "1"), event(2, What::Invite, "2"), event(3, What::Bye, "1")];
    assert_eq!(doubled_at_phones(&during).len(), 1);
}

#[test]
fn a_second_offer_before_the_end_of_the_first_is_doubled() {
    let first = frame(1, "pop.offered", "c-1");
    let second = frame(3, "pop.offered", "c-2");
    assert!(doubled_on_screens(&[first.clone(), frame(2, "pop.closed", "c-1"), second.clone()]).is_empty());
    assert_eq!(doubled_on_screens(&[first, frame(2, "pop.taken", "c-1"), second]).len(), 1);
}

#[test]
fn an_invite_under_way_for_longer_than_the_limit_is_delayed() {
    let invites = [event(150, What::Invite, "1"), event(151, What::Invite, "2")];
    assert_eq!(delayed(&invites, Duration::from_millis(150)), ["2: 151ms"]);
}

fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

fn frame(ms: u64, event: &str, call: &str) -> Frame {
    let json = serde_json::json!({ "kind": "event", "type": event, "call": call,
        "data": { "caller": { "e164": "+81312340001" } } });
    Frame { at: at(ms), agent: "a101".to_owned(), json }
}

fn event(ms: u64, what: What, call_id: &str) -> PhoneEvent {
    PhoneEvent {
        at: at(ms),
        what,
        user: "a101".to_owned(),
        call_id: call_id.to_owned(),
        caller: "0312340001".to_owned(),
        sent: Some(at(0)),
    }
}

struct Bench {
    net: Net,
    phones: Phones,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(behaviour: Behaviour) -> Self {
        let net = Net::reserve();
        let phones = Phones::start(net.at(host::PHONES, 5060), behaviour);
        Self { net, phones, folder: tempfile::tempdir().expect("the temporary folder is writable") }
    }

    fn calls(&self, scenario: &str, count: usize) -> Outcome {
        let numbers = (0..count).map(|n| (format!("03{n:08}"), "a101".to_owned())).collect();
        let callers = Sipp::new(scenario, self.net.at(host::TRUNK, 5060), numbers)
            .rate(50)
            .pause(Duration::from_millis(50))
            .limit(Duration::from_secs(20));
        callers.run(self.phones.address, self.folder.path())
    }
}

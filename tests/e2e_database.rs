//! The database is locked, slow or gone: every call is routed, and none waits for it longer than the look-
//! up may take.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::time::Duration;

use support::judge::delayed;
use support::locked::Locked;
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site, caller};
use support::turn::turn;

const CALLS: usize = 200;
/// 50 calls a second of at most a quarter of a second keep 13 busy; a machine that is busy itself may need
/// more.
const AGENTS: usize = 80;
/// `[routing] lookup_deadline_ms`, and what a busy machine with two cores may add to it on the way.
const LOOKUP_DEADLINE_MS: u64 = 150;
const MARGIN_MS: u64 = 100;
/// Less than any of these databases takes.
const NOBODY_WAITS: Duration = Duration::from_secs(2);
const PICK_UP: Behaviour = Behaviour::Answer { quiet: Duration::ZERO, ring: Duration::from_millis(20) };

#[test]
fn with_the_database_locked_for_writers_every_call_is_routed_in_time() {
    let Some(house) = House::open(None) else { return };
    let locked = Locked::for_writers(&house.site.database());
    house.all_calls_are_routed_in_time();
    drop(locked);
}

#[test]
fn with_the_database_locked_for_everybody_every_call_is_routed_in_time() {
    let Some(house) = House::open(None) else { return };
    let locked = Locked::for_everybody(&house.site.database());
    house.all_calls_are_routed_in_time();
    drop(locked);
}

#[test]
fn with_a_database_that_takes_five_seconds_every_call_is_routed_in_time() {
    let Some(house) = House::open(Some(5000)) else { return };
    house.all_calls_are_routed_in_time();
}

#[test]
fn with_the_database_file_deleted_every_call_is_routed_in_time() {
    let Some(house) = House::open(None) else { return };
    for file in files_of(&house.site.database()) {
        fs::remove_file(&file).expect("the file was there a moment ago");
    }
    house.all_calls_are_routed_in_time();
}

#[test]
fn with_the_database_file_ruined_every_call_is_routed_in_time() {
    let Some(house) = House::open(None) else { return };
    for file in files_of(&house.site.database()) {
        fs::write(&file, b"this is no longer a database, whoever has it open").expect("the file is writable");
    }
    house.all_calls_are_routed_in_time();
}

/// Without a database no line is known, so that every call is the PBX's; but it is not lost.
#[test]
fn a_server_that_never_had_its_database_sends_every_call_to_the_default_route() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut site = Site::new("wrap_up_s = 0", "");
    // A file stands where a folder would have to be: not even root can open that.
    site.change("sqlite:toritsugi.db", "sqlite:toritsugi.toml/toritsugi.db");
    let pbx = Phones::start(site.pbx(), PICK_UP);
    site.serve_until("/healthz/live");
    let numbers = (0..CALLS).map(|n| (caller(n).0, LINE.to_owned())).collect();
    let callers = Sipp::new("uac", site.trunk(), numbers).rate(50).pause(Duration::from_millis(50));
    let outcome = callers.run(site.sip(), site.folder());
    assert_eq!(outcome, Outcome { successful: CALLS as u64, failed: 0 });
    assert_eq!(pbx.count(What::Answered), CALLS);
}

struct House {
    phones: Phones,
    pbx: Phones,
    site: Site,
    _turn: MutexGuard<'static, ()>,
}

impl House {
    /// `None` when a tool is missing. No screens are open, so that nothing but the look-up stands between
    /// caller and phone.
    fn open(lookup_delay_ms: Option<u32>) -> Option<Self> {
        if !needs(&["sipp"]) {
            return None;
        }
        let turn = turn();
        let mut site = Site::new(&format!("wrap_up_s = 0\nlookup_deadline_ms = {LOOKUP_DEADLINE_MS}"), "");
        site.add_agents_without_log_ins(AGENTS, &site.phones().to_string());
        site.import(
            "customers",
            "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n\
             cu-1,山田 花子,ヤマダ ハナコ,,A,ja,0312340001,a101,,,\n",
        );
        if let Some(delay) = lookup_delay_ms {
            // Honoured by debug builds only.
            site.environment("TORITSUGI_TEST_LOOKUP_DELAY_MS", &delay.to_string());
        }
        let phones = Phones::start(site.phones(), PICK_UP);
        let pbx = Phones::start(site.pbx(), PICK_UP);
        site.serve();
        Some(Self { phones, pbx, site, _turn: turn })
    }

    fn all_calls_are_routed_in_time(&self) {
        let numbers = (0..CALLS).map(|n| (caller(n).0, LINE.to_owned())).collect();
        let callers = Sipp::new("uac", self.site.trunk(), numbers).rate(50).pause(Duration::from_millis(50));
        let outcome = callers.run(self.site.sip(), self.site.folder());
        assert_eq!(outcome, Outcome { successful: CALLS as u64, failed: 0 });
        assert_eq!(self.phones.count(What::Answered), CALLS, "agents were free for all");
        assert_eq!(self.pbx.count(What::Invite), 0);
        // The deadline is one for all, so that a share of calls proves it; a machine that stands still for a
        // moment delays every call of that moment. Each is judged to the millisecond on a virtual clock (F1
        // in the simulation).
        let limit = Duration::from_millis(LOOKUP_DEADLINE_MS + MARGIN_MS);
        let late = |limit| self.phones.log.read(|events| delayed(events, limit));
        let usual = late(limit);
        assert!(usual.len() * 2 < CALLS, "{} calls waited longer than {limit:?}: {usual:#?}", usual.len());
        let waited = late(NOBODY_WAITS);
        assert!(waited.is_empty(), "they waited for the database: {waited:#?}");
    }
}

/// The database and the files SQLite keeps beside it.
fn files_of(database: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"]
        .iter()
        .map(|suffix| PathBuf::from(format!("{}{suffix}", database.display())))
        .filter(|path| path.exists())
        .collect()
}

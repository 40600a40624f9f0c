//! The room against real SQLite files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;

use super::import::{ImportError, ImportReport, ImportedNumber, Table};
use super::*;
use crate::callback::{Callback, CallbackState};
use crate::customer::{LookupFault, NoticeLevel};
use crate::events::{CallRecord, EndReason, Trace};
use crate::presence::{Absence, AbsenceReason, AgentId, AgentStatus, CallId, CustomerId, SetBy};
use crate::routing::rules::{RuleLimits, RuleSet, dry_run};
use crate::routing::{Abilities, Action};

const AGENTS: &str = "id,name,role,contact,groups\n\
    a055,佐藤 一郎,agent,sip:201@192.0.2.10,support;sales\n\
    a102,高橋 花,supervisor,sip:202@192.0.2.10,support\n";

const CUSTOMERS: &str = "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n\
    cu-88,山田 花子,ヤマダ ハナコ,青空商事,A,ja,0312345678;09011112222,a055,返金は管理者確認,danger,complaint:2;vip\n\
    cu-89,John Smith,,,,en,0312345678,,,,\n";

/// A database in a folder of its own.
struct House {
    folder: TempDir,
    settings: StorageSettings,
    storage: Storage,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()));
        settings.file_check_ms = 0;
        let storage = Storage::create_and_migrate(&settings).await.expect("a new database");
        Self { folder, settings, storage }
    }

    async fn with_customers() -> Self {
        let house = Self::new().await;
        house.import(Table::Agents, AGENTS).await.expect("agents");
        house.import(Table::Customers, CUSTOMERS).await.expect("customers");
        house
    }

    async fn import(&self, table: Table, text: &str) -> Result<ImportReport, ImportError> {
        import_into(&self.storage, table, text).await
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("t.db")
    }

    /// A connection of another process, as it were.
    async fn stranger(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).connect().await.expect("a connection")
    }

    /// A copy of the database as an administrator makes it, which has no write-ahead log.
    async fn backup(&self) -> std::path::PathBuf {
        let copy = self.folder.path().join("backup.db");
        let mut stranger = self.stranger().await;
        sqlx::query("VACUUM INTO ?").bind(copy.to_str()).execute(&mut stranger).await.expect("a backup");
        stranger.close().await.expect("closed");
        copy
    }

    async fn count(&self, statement: &'static str) -> i64 {
        let mut stranger = self.stranger().await;
        sqlx::query_scalar(statement).fetch_one(&mut stranger).await.expect("a count")
    }
}

async fn import_into(storage: &Storage, table: Table, text: &str) -> Result<ImportReport, ImportError> {
    storage.import(table, text.as_bytes(), &digits_of_japan, at(0), &|_, _| {}).await
}

/// Stands in for the number cleaner.
fn digits_of_japan(cell: &str) -> Vec<ImportedNumber> {
    let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
    let e164 = digits.strip_prefix('0').filter(|rest| rest.len() >= 9).map(|rest| format!("+81{rest}"));
    vec![ImportedNumber { e164, raw: cell.to_owned(), ..ImportedNumber::default() }]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_795_000_000 + seconds, 123_456_789).expect("in range")
}

fn record(id: &str, started: i64) -> CallRecord {
    CallRecord {
        id: CallId::new(id),
        sip_call_id: "3848276298220188511@atlanta.example.com".to_owned(),
        presentation: "number".to_owned(),
        calling: Some("+81312345678".to_owned()),
        called: "+81120123456".to_owned(),
        line: None,
        client: None,
        customer: Some(CustomerId::new("cu-88")),
        agent: Some(AgentId::new("a055")),
        offered_to: vec![AgentId::new("a055")],
        started_at: at(started),
        answered_at: Some(at(started + 3)),
        ended_at: None,
        end_reason: None,
        status: Some(200),
        talk_s: 0,
        parked: None,
        transfer_count: 0,
        handled_by: Vec::new(),
        callback: None,
        traces: vec![Trace::Read(json!({"rule": "assigned_first", "matched": true}))],
        facts: None,
    }
}

#[tokio::test]
async fn m018_a_lookup_by_any_number_finds_the_whole_card() {
    let house = House::with_customers().await;
    let cards = house.storage.lookup("+819011112222").await.expect("an answer");
    assert_eq!(cards.len(), 1);
    let card = &cards[0];
    assert_eq!(card.id, CustomerId::new("cu-88"));
    assert_eq!((card.name.as_str(), card.kana.as_deref()), ("山田 花子", Some("ヤマダ ハナコ")));
    assert_eq!(card.phones, ["+81312345678", "+819011112222"]);
    assert_eq!(card.assignee, Some(AgentId::new("a055")));
    assert_eq!(card.notices.len(), 1);
    assert_eq!(
        (card.notices[0].level, card.notices[0].text.as_str()),
        (NoticeLevel::Danger, "返金は管理者確認")
    );
    assert_eq!((card.notices[0].by.as_str(), card.notices[0].at), ("import", at(0)));
    let flags: Vec<_> = card.flags.iter().map(|flag| (flag.code.as_str(), flag.level)).collect();
    assert_eq!(flags, [("complaint", Some(2)), ("vip", None)]);
    assert_eq!(house.storage.lookup("+81399999999").await, Ok(vec![]));
    assert_eq!(house.storage.customer(&card.id).await, Ok(Some(card.clone())));
}

#[tokio::test]
async fn the_book_in_memory_answers_as_the_database_does() {
    let house = House::with_customers().await;
    let history = "customer,at,agent,summary\ncu-89,2026-11-20 10:00,a055,asked about the bill\n\
                   cu-89,2026-11-21 10:00,a055,asked again\n";
    house.import(Table::Contacts, history).await.expect("contacts");
    let book = house.storage.customer_book(1 << 20).await.expect("an answer").expect("it fits");
    let numbers = house.storage.phone_index().await.expect("an answer");
    assert!(numbers.len() > 2, "{numbers:?}");
    for (number, ..) in numbers {
        assert_eq!(Ok(book.find(&number)), house.storage.lookup(&number).await, "{number}");
    }
    assert!(book.find("+81399999999").is_empty());
    assert!(house.storage.customer_book(100).await.expect("an answer").is_none(), "it is too large");
}

#[tokio::test]
async fn records_are_stored_together_or_not_at_all() {
    let house = House::new().await;
    let records: Vec<CallRecord> = (0..100).map(|n| record(&format!("c-{n}"), n)).collect();
    let all: Vec<&CallRecord> = records.iter().collect();
    house.storage.save_calls(&all).await.expect("stored");
    house.storage.save_calls(&all[..3]).await.expect("a second time changes nothing");
    assert_eq!(house.count("SELECT COUNT(*) FROM calls").await, 100);
}

#[tokio::test]
async fn a_call_that_comes_twice_among_others_is_kept_as_it_was_last_but_never_without_its_end() {
    let house = House::new().await;
    let mut records: Vec<CallRecord> = (0..70).map(|n| record(&format!("c-{n}"), n)).collect();
    for ended in &mut records[40..] {
        ended.ended_at = Some(at(4));
    }
    let all: Vec<&CallRecord> = records.iter().collect();
    house.storage.save_calls(&all).await.expect("stored");
    let ended = |n: usize| CallRecord {
        ended_at: Some(at(5)),
        agent: Some(AgentId::new("a7")),
        ..records[n].clone()
    };
    let open =
        |n: usize| CallRecord { ended_at: None, agent: Some(AgentId::new("a8")), ..records[n].clone() };
    let again = [ended(3), open(3), open(4), open(50), record("c-new", 9)];
    let mut all: Vec<&CallRecord> = again.iter().collect();
    all.extend(&records[60..]);
    house.storage.save_calls(&all).await.expect("stored");
    let kept =
        async |n: &str| house.storage.call(&CallId::new(n)).await.expect("an answer").expect("it is there");
    assert_eq!(kept("c-3").await, ended(3), "the later one has no end");
    assert_eq!(kept("c-4").await, open(4));
    assert_eq!(kept("c-50").await, records[50], "it had ended");
    assert_eq!(kept("c-new").await, again[4]);
    assert_eq!(
        house.count("SELECT COUNT(*) FROM calls WHERE agent = 'a7' AND ended_at IS NOT NULL").await,
        1
    );
    assert_eq!(house.count("SELECT COUNT(*) FROM calls").await, 71);
}

#[tokio::test]
async fn several_customers_of_a_number_come_by_last_contact_then_rank() {
    let house = House::with_customers().await;
    let ids = |cards: Vec<crate::customer::CustomerCard>| {
        cards.into_iter().map(|card| card.id.to_string()).collect::<Vec<_>>()
    };
    let cards = house.storage.lookup("+81312345678").await.expect("an answer");
    assert_eq!(ids(cards), ["cu-88", "cu-89"]);
    let history = "customer,at,agent,summary\ncu-89,2026-11-20 10:00,a055,asked about the bill\n";
    house.import(Table::Contacts, history).await.expect("contacts");
    let cards = house.storage.lookup("+81312345678").await.expect("an answer");
    assert_eq!(ids(cards), ["cu-89", "cu-88"]);
}

#[tokio::test]
async fn a_lookup_goes_by_indexes_only() {
    let house = House::with_customers().await;
    let mut stranger = house.stranger().await;
    for statement in customer::LOOK_UP_STATEMENTS {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explained).fetch_all(&mut stranger).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>("detail")).collect();
        assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{statement}: {plan:?}");
        // `m` is the handful of customers that were found.
        assert!(
            !plan.iter().any(|step| step.starts_with("SCAN") && step != "SCAN m"),
            "{statement}: {plan:?}"
        );
    }
}

#[tokio::test]
async fn a_list_of_calls_goes_by_an_index_in_the_order_of_time() {
    let house = House::new().await;
    let mut stranger = house.stranger().await;
    let starts: [&[&str]; 4] = [
        &["calls_started (started_at<?)"],
        &["calls_agent_by_text (agent=? AND started_at", "calls_agent (agent=? AND started_ms"],
        &["calls_customer_by_text (customer=? AND started_at", "calls_customer (customer=? AND started_ms"],
        &["calls_customer_by_text (customer=? AND started_at", "calls_customer (customer=? AND started_ms"],
    ];
    for (statements, starts) in call::LIST_STATEMENTS.into_iter().zip(starts) {
        assert_eq!(statements.len(), starts.len());
        for (statement, start) in statements.iter().zip(starts) {
            let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(explained).fetch_all(&mut stranger).await.expect("a plan");
            let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>("detail")).collect();
            assert!(plan[0].starts_with(&format!("SEARCH calls USING INDEX {start}")), "{plan:?}");
            // Calls of the same moment are all that is sorted.
            assert!(!plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY"), "{plan:?}");
        }
    }
}

#[tokio::test]
async fn calls_of_an_older_program_stand_in_the_same_list_and_in_its_order() {
    let house = House::new().await;
    let customer = CustomerId::new("cu-1");
    let records: Vec<CallRecord> = (0..40)
        .map(|n| {
            // Four of each second, which differ in less than a millisecond.
            let started_at = at(i64::from(n / 4)) + jiff::Span::new().microseconds(n % 4);
            let (agent, customer) = (Some(AgentId::new("a7")), Some(customer.clone()));
            CallRecord { started_at, agent, customer, ..record(&format!("c-{n:02}"), 0) }
        })
        .collect();
    house.storage.save_calls(&records.iter().collect::<Vec<_>>()).await.expect("stored");
    // As an older program stores them, which does not know the column.
    let older = "UPDATE calls SET started_ms = NULL WHERE CAST(substr(id, 3) AS INTEGER) % 3 = 0";
    sqlx::query(older).execute(&mut house.stranger().await).await.expect("changed");
    let of_agent = CallFilter { agent: Some(AgentId::new("a7")), customer: None };
    let of_customer = CallFilter { agent: None, customer: Some(customer.clone()) };
    let of_both = CallFilter { agent: Some(AgentId::new("a7")), customer: Some(customer) };
    let newest_first: Vec<CallRecord> = records.iter().rev().cloned().collect();
    for filter in [CallFilter::default(), of_agent, of_customer, of_both] {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = house.storage.calls(&filter, cursor.as_deref(), 7).await.expect("a page");
            listed.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, newest_first, "{filter:?}");
    }
    // What is stored again has its moment from then on.
    let ended = CallRecord { ended_at: Some(at(99)), ..records[0].clone() };
    house.storage.save_call(&ended).await.expect("stored");
    assert_eq!(house.count("SELECT COUNT(*) FROM calls WHERE started_ms IS NULL").await, 13);
}

#[tokio::test]
async fn m022_notices_come_loudest_first_then_newest() {
    let house = House::with_customers().await;
    let mut stranger = house.stranger().await;
    for (id, loudness, day) in [("n-1", 1, "22"), ("n-2", 3, "01"), ("n-3", 2, "20"), ("n-4", 3, "02")] {
        sqlx::query("INSERT INTO notices VALUES (?, 'cu-89', ?, 'text', 'SV 鈴木', ?, 0)")
            .bind(id)
            .bind(loudness)
            .bind(format!("2026-11-{day}T00:00:00.000000000Z"))
            .execute(&mut stranger)
            .await
            .expect("inserted");
    }
    let card = house.storage.customer(&CustomerId::new("cu-89")).await.expect("an answer").expect("a card");
    let ids: Vec<&str> = card.notices.iter().map(|notice| notice.id.as_str()).collect();
    assert_eq!(ids, ["n-4", "n-2", "n-3", "n-1"]);
}

#[tokio::test]
async fn m019_a_history_of_fifty_shows_ten_and_pages_the_rest() {
    let house = House::with_customers().await;
    let rows: String =
        (10..60).map(|minute| format!("cu-88,2026-11-20 10:{minute},a055,contact {minute}\n")).collect();
    house.import(Table::Contacts, &format!("customer,at,agent,summary\n{rows}")).await.expect("contacts");
    let id = CustomerId::new("cu-88");
    let card = house.storage.customer(&id).await.expect("an answer").expect("a card");
    assert_eq!(card.contacts.len(), 10);
    assert_eq!(
        (card.contacts[0].summary.as_str(), card.contacts[0].by.as_str()),
        ("contact 59", "佐藤 一郎")
    );
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = house.storage.contacts(&id, cursor.as_deref(), 20).await.expect("a page");
        seen.extend(page.items.into_iter().map(|contact| contact.summary));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (10..60).rev().map(|minute| format!("contact {minute}")).collect();
    assert_eq!(seen, expected);
    for forged in ["x", "_", "2026_1", "'; DROP TABLE contacts; --_"] {
        let answer = house.storage.contacts(&id, Some(forged), 20).await;
        assert!(matches!(answer, Err(StorageError::Invalid(_))), "{forged}");
    }
}

#[tokio::test]
async fn f1_a_locked_database_fails_a_lookup_fast_and_recovers() {
    let house = House::with_customers().await;
    house.storage.lookup("+81312345678").await.expect("healthy");
    let mut holder = SqliteConnectOptions::new()
        .filename(house.path())
        .pragma("locking_mode", "EXCLUSIVE")
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .expect("a connection");
    // An exclusive holder needs to be alone: our open connections go first.
    drop(house.storage);
    let storage = Storage::offline(&house.settings);
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut holder).await.expect("locked");
    let began = Instant::now();
    let error = storage.lookup("+81312345678").await.expect_err("locked");
    assert_eq!(error, StorageError::Locked);
    assert_eq!(LookupFault::from(&error), LookupFault::Down);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    holder.close().await.expect("released");
    assert_eq!(storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));
}

#[tokio::test]
async fn f1_a_blocked_writer_does_not_block_lookups() {
    let mut house = House::with_customers().await;
    house.settings.busy_timeout_ms = 50;
    let storage = Storage::open(&house.settings).await.expect("open");
    let mut stranger = house.stranger().await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut stranger).await.expect("locked for writing");
    assert_eq!(storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));
    assert_eq!(storage.save_call(&record("c-1", 0)).await, Err(StorageError::Locked));
    sqlx::query("ROLLBACK").execute(&mut stranger).await.expect("released");
    assert_eq!(storage.save_call(&record("c-1", 0)).await, Ok(()));
}

#[tokio::test]
async fn f1_too_many_lookups_are_refused_at_once() {
    let house = House::with_customers().await;
    let settings = StorageSettings { max_queue: 0, ..house.settings.clone() };
    let storage = Storage::open(&settings).await.expect("open");
    let error = storage.lookup("+81312345678").await.expect_err("no place");
    assert_eq!(LookupFault::from(&error), LookupFault::Overloaded);
}

#[tokio::test]
async fn f1_a_lookup_in_a_hanging_database_ends_at_the_time_out() {
    let mut house = House::with_customers().await;
    house.settings.query_timeout_ms = 100;
    let storage = Storage::offline(&house.settings);
    let never = storage.within(std::future::pending::<Result<(), StorageError>>()).await;
    assert_eq!(never, Err(StorageError::Timeout));
}

#[tokio::test]
async fn f2_a_database_that_was_deleted_and_restored_is_found_again() {
    let house = House::with_customers().await;
    let backup = house.backup().await;
    assert_eq!(house.storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));

    remove(&house.path());
    let error = house.storage.lookup("+81312345678").await.expect_err("gone");
    assert!(matches!(error, StorageError::Unavailable(_)), "{error}");
    assert!(matches!(house.storage.save_call(&record("c-1", 0)).await, Err(StorageError::Unavailable(_))));
    assert!(!house.path().exists(), "a lost database is not replaced by an empty one");

    std::fs::rename(&backup, house.path()).expect("restored");
    assert_eq!(house.storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));
    assert_eq!(house.storage.save_call(&record("c-1", 0)).await, Ok(()));
}

/// As slow a disk would: the restored file stays locked for longer than a look-up waits for a stranger.
#[tokio::test]
async fn f2_a_restored_database_is_read_as_soon_as_it_can_be() {
    let house = House::with_customers().await;
    let backup = house.backup().await;
    remove(&house.path());
    std::fs::rename(&backup, house.path()).expect("restored");
    let mut holder = house.stranger().await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut holder).await.expect("locked");
    let long = Duration::from_millis(4 * house.settings.look_up_busy_timeout_ms);
    let release = async {
        tokio::time::sleep(long).await;
        sqlx::query("ROLLBACK").execute(&mut holder).await.expect("released");
    };
    let (cards, ()) = tokio::join!(house.storage.lookup("+81312345678"), release);
    assert_eq!(cards.map(|cards| cards.len()), Ok(2));
}

#[tokio::test]
async fn f2_a_database_recreated_by_an_import_is_found_again() {
    let house = House::with_customers().await;
    assert_eq!(house.storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));
    remove(&house.path());
    let other = Storage::create_and_migrate(&house.settings).await.expect("a new database");
    assert_eq!(house.storage.lookup("+81312345678").await, Ok(vec![]));
    import_into(&other, Table::Agents, AGENTS).await.expect("agents");
    import_into(&other, Table::Customers, CUSTOMERS).await.expect("customers");
    assert_eq!(house.storage.lookup("+81312345678").await.map(|cards| cards.len()), Ok(2));
}

fn remove(database: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", database.display());
        if Path::new(&file).exists() {
            std::fs::remove_file(file).expect("removed");
        }
    }
}

#[tokio::test]
async fn f3_a_server_may_start_before_its_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()));
    settings.file_check_ms = 0;
    let storage = Storage::offline(&settings);
    assert!(matches!(storage.lookup("+81312345678").await, Err(StorageError::Unavailable(_))));
    assert!(matches!(storage.presences().await, Err(StorageError::Unavailable(_))));
    assert!(matches!(Storage::open(&settings).await, Err(StorageError::Unavailable(_))));
    // An empty file has no tables; whatever writes first brings them.
    std::fs::write(folder.path().join("t.db"), b"").expect("written");
    assert!(matches!(Storage::open(&settings).await, Err(StorageError::Migration(_))));
    assert_eq!(storage.save_call(&record("c-1", 0)).await, Ok(()));
    assert_eq!(storage.lookup("+81312345678").await, Ok(vec![]));
}

#[tokio::test]
async fn f1_garbage_in_the_place_of_the_database_is_told_and_survived() {
    let house = House::with_customers().await;
    remove(&house.path());
    std::fs::write(house.path(), vec![0x5a; 8192]).expect("written");
    assert!(matches!(house.storage.lookup("+81312345678").await, Err(StorageError::Corrupt(_))));
    remove(&house.path());
    Storage::create_and_migrate(&house.settings).await.expect("a new database");
    assert_eq!(house.storage.lookup("+81312345678").await, Ok(vec![]));
}

#[tokio::test]
async fn another_engine_is_refused_by_name() {
    for url in ["postgres://localhost/t", "mysql://localhost/t", "sqlite::memory:", "t.db"] {
        let error = Storage::create_and_migrate(&StorageSettings::new(url)).await.err();
        assert!(matches!(error, Some(StorageError::NotSupported(_))), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_path_may_hold_any_character() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("顧客 100%? 3%20.db");
    Storage::create_and_migrate(&StorageSettings::for_file(&path)).await.expect("a new database");
    assert!(path.exists());
}

#[tokio::test]
async fn two_processes_may_migrate_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()));
    let one = Storage::create_and_migrate(&settings);
    let two = Storage::create_and_migrate(&settings);
    let (one, two) = tokio::join!(one, two);
    assert!(one.is_ok() && two.is_ok(), "{:?} {:?}", one.err(), two.err());
}

#[tokio::test]
async fn several_processes_may_bring_an_older_schema_up_to_date_at_once() {
    let every: Vec<_> = super::database::MIGRATOR.iter().cloned().collect();
    for steps in 1..every.len() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()));
        let options = format!("{}?mode=rwc", settings.url).parse::<SqliteConnectOptions>().expect("options");
        let mut older = options.connect().await.expect("open");
        let migrator = sqlx::migrate::Migrator::with_migrations(every[..steps].to_vec());
        migrator.run_direct(None, &mut older, false).await.expect("an older schema");
        older.close().await.expect("closed");
        let four: [_; 4] = std::array::from_fn(|_| Storage::create_and_migrate(&settings));
        for done in futures_util::future::join_all(four).await {
            assert!(done.is_ok(), "from {steps}: {:?}", done.err());
        }
    }
}

#[tokio::test]
async fn the_data_version_changes_with_others_writes_and_not_with_ours() {
    let house = House::with_customers().await;
    let before = house.storage.data_version().await.expect("a version");
    house.storage.save_call(&record("c-1", 0)).await.expect("saved");
    assert_eq!(house.storage.data_version().await, Ok(before));
    let other = Storage::open(&house.settings).await.expect("open");
    import_into(&other, Table::Agents, "id,name\na200,新人\n").await.expect("imported");
    assert!(house.storage.data_version().await.expect("a version") > before);
}

#[tokio::test]
async fn m002_each_change_of_presence_is_one_audit_row_and_reads_back() {
    let house = House::with_customers().await;
    let before = house.count("SELECT COUNT(*) FROM audit").await;
    let mut presence = StoredPresence {
        agent: AgentId::new("a055"),
        status: AgentStatus::Offline,
        set_by: SetBy::Manual,
        since: at(1),
    };
    let reasons = [
        AbsenceReason::DayOff,
        AbsenceReason::Sick,
        AbsenceReason::Meeting,
        AbsenceReason::OtherCase,
        AbsenceReason::Break,
        AbsenceReason::LeftForDay,
        AbsenceReason::Out,
        AbsenceReason::Rona,
        AbsenceReason::Custom("custom:朝礼".to_owned()),
    ];
    let count = i64::try_from(reasons.len()).expect("small");
    for reason in reasons {
        let absence = Absence { reason, until: Some(at(600)), next_start: Some(at(9000)) };
        presence.status = AgentStatus::Away(absence);
        house.storage.save_presence(&presence, "suzuki").await.expect("saved");
        let stored = house.storage.presences().await.expect("an answer");
        assert_eq!(stored.iter().find(|stored| stored.agent == presence.agent), Some(&presence));
    }
    assert_eq!(house.count("SELECT COUNT(*) FROM audit").await, before + count);
    let sick = "SELECT COUNT(*) FROM audit WHERE user_name = 'suzuki' AND action = 'presence.set' \
                AND subject = 'a055' AND detail = 'away:sick'";
    assert_eq!(house.count(sick).await, 1);
    let stranger = StoredPresence { agent: AgentId::new("nobody"), ..presence };
    assert!(matches!(house.storage.save_presence(&stranger, "x").await, Err(StorageError::Conflict(_))));
}

#[tokio::test]
async fn a_call_is_stored_once_and_its_end_is_kept() {
    let house = House::with_customers().await;
    let live = record("c-1", 0);
    let ended = CallRecord { ended_at: Some(at(60)), end_reason: Some(EndReason::Completed), ..live.clone() };
    for record in [&live, &ended, &ended, &live] {
        house.storage.save_call(record).await.expect("saved");
    }
    assert_eq!(house.storage.call(&live.id).await, Ok(Some(ended)));
    assert_eq!(house.count("SELECT COUNT(*) FROM calls").await, 1);
    assert_eq!(house.storage.call(&CallId::new("c-2")).await, Ok(None));
}

#[tokio::test]
async fn calls_come_newest_first_by_agent_and_customer_in_pages() {
    let house = House::with_customers().await;
    for number in 0..5 {
        let mut record = record(&format!("c-{number}"), number);
        if number % 2 == 0 {
            record.agent = Some(AgentId::new("a102"));
        }
        if number == 3 {
            record.customer = None;
        }
        house.storage.save_call(&record).await.expect("saved");
    }
    let agent = |id: &str| Some(AgentId::new(id));
    let customer = || Some(CustomerId::new("cu-88"));
    for (filter, expected) in [
        (CallFilter::default(), vec!["c-4", "c-3", "c-2", "c-1", "c-0"]),
        (CallFilter { agent: agent("a102"), customer: None }, vec!["c-4", "c-2", "c-0"]),
        (CallFilter { agent: None, customer: customer() }, vec!["c-4", "c-2", "c-1", "c-0"]),
        (CallFilter { agent: agent("a055"), customer: customer() }, vec!["c-1"]),
    ] {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = house.storage.calls(&filter, cursor.as_deref(), 2).await.expect("a page");
            assert!(page.items.len() <= 2);
            seen.extend(page.items.into_iter().map(|record| record.id.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn m023_the_first_confirmation_of_a_notice_stays() {
    let house = House::with_customers().await;
    let call = CallId::new("c-1");
    for (agent, second) in [("a055", 1), ("a102", 2)] {
        house
            .storage
            .save_notice_acknowledgement(&call, "n-3", &AgentId::new(agent), at(second))
            .await
            .expect("saved");
    }
    let first = "SELECT COUNT(*) FROM notice_acknowledgements WHERE agent = 'a055'";
    assert_eq!(house.count(first).await, 1);
    assert_eq!(house.count("SELECT COUNT(*) FROM notice_acknowledgements").await, 1);
}

#[tokio::test]
async fn sessions_outlive_the_process_and_end() {
    let house = House::with_customers().await;
    let user = NewUser {
        name: "sato".to_owned(),
        role: UserRole::Agent,
        agent: Some(AgentId::new("a055")),
        password_hash: "$argon2id$".to_owned(),
    };
    house.storage.add_user(&user).await.expect("added");
    let session = StoredSession {
        token_hash: [0xab; 32],
        user: "sato".to_owned(),
        agent: user.agent.clone(),
        role: UserRole::Agent,
        csrf: "c".to_owned(),
        expires_at: at(100),
    };
    house.storage.save_session(&session).await.expect("saved");
    let restarted = Storage::open(&house.settings).await.expect("open");
    assert!(restarted.session(&[0xab; 32]).await == Ok(Some(session.clone())));
    let longer = StoredSession { expires_at: at(200), ..session };
    restarted.save_session(&longer).await.expect("saved");
    assert_eq!(restarted.delete_expired_sessions(at(150)).await, Ok(0));
    assert_eq!(restarted.delete_expired_sessions(at(201)).await, Ok(1));
    restarted.save_session(&longer).await.expect("saved");
    restarted.delete_session(&[0xab; 32]).await.expect("deleted");
    assert!(restarted.session(&[0xab; 32]).await == Ok(None));
}

#[tokio::test]
async fn the_database_file_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new().await;
    let mode = std::fs::metadata(house.path()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test]
async fn the_phone_index_has_every_number_with_customer_and_assignee() {
    let house = House::with_customers().await;
    let index = house.storage.phone_index().await.expect("an answer");
    let (first, second) = (CustomerId::new("cu-88"), CustomerId::new("cu-89"));
    let assignee = Some(AgentId::new("a055"));
    assert_eq!(
        index,
        [
            ("+81312345678".to_owned(), first.clone(), assignee.clone()),
            ("+81312345678".to_owned(), second, None),
            ("+819011112222".to_owned(), first, assignee),
        ]
    );
}

const RULES: &str = "[[rule]]\nname = \"closed\"\nreject = 603\n";

#[tokio::test]
async fn rules_are_versions_and_one_is_in_force_with_one_audit_row_for_each_change() {
    let house = House::new().await;
    let storage = &house.storage;
    assert_eq!(storage.rule_versions().await.expect("an answer"), []);
    assert!(storage.directory().await.expect("an answer").rules.rules.is_empty());
    assert_eq!(storage.save_rules("", "", "root", at(1)).await, Ok(1));
    assert_eq!(storage.save_rules(RULES, "年末", "root", at(2)).await, Ok(2));
    assert!(storage.directory().await.expect("an answer").rules.rules.is_empty(), "a draft is not in force");

    let before = storage.data_version().await.expect("a number");
    storage.activate_rules(Some(2), "root", at(3)).await.expect("activated");
    let after = storage.data_version().await.expect("a number");
    assert!(after > before, "our own process reads them again too");
    let directory = storage.directory().await.expect("an answer");
    assert_eq!(directory.rules.rules[0].name, "closed");
    let versions = storage.rule_versions().await.expect("an answer");
    let listed: Vec<(i64, &str, bool)> =
        versions.iter().map(|it| (it.version, it.note.as_str(), it.active)).collect();
    assert_eq!(listed, [(2, "年末", true), (1, "", false)]);
    let (version, text) = storage.rules(2).await.expect("an answer").expect("it is there");
    assert_eq!((version.saved_by.as_str(), version.saved_at, text.as_str()), ("root", at(2), RULES));

    storage.activate_rules(None, "suzuki", at(4)).await.expect("activated");
    assert!(storage.directory().await.expect("an answer").rules.rules.is_empty());
    let refused = storage.activate_rules(Some(9), "root", at(5)).await;
    assert!(matches!(refused, Err(StorageError::Conflict(_))), "{refused:?}");
    assert_eq!(storage.rules(9).await, Ok(None));
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT user_name, action, subject FROM audit ORDER BY at")
            .fetch_all(&mut house.stranger().await)
            .await
            .expect("rows");
    let rows: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|(user, action, subject)| (user.as_str(), action.as_str(), subject.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("root", "rules.save", "1"),
            ("root", "rules.save", "2"),
            ("root", "rules.activate", "2"),
            ("suzuki", "rules.activate", "none"),
        ]
    );
}

#[tokio::test]
async fn m076_callers_of_the_last_days_and_what_was_decided_are_read_from_the_records() {
    let house = House::new().await;
    for index in 0..1_203 {
        let mut call = record(&format!("c-{index:04}"), index);
        call.line = (index % 2 == 0).then(|| "0120-123-456".to_owned());
        let trace = json!({"action": {"kind": "reject", "status": 603}, "rule": "closed", "trace": []});
        call.traces = vec![Trace::Read(trace)];
        house.storage.save_call(&call).await.expect("saved");
    }
    let calls = house.storage.calls_before(at(1_000), 10_000).await.expect("an answer");
    assert_eq!(calls.len(), 102, "every second one went to a line");
    assert_eq!(calls[0], ("+81312345678".to_owned(), at(1_202), Some(AgentId::new("a055"))));
    let decisions = house.storage.recorded_decisions(700).await.expect("an answer");
    assert_eq!((decisions.len(), decisions[0].call.as_str()), (700, "c-1202"));
    assert_eq!(decisions[699].action, Some(Action::Reject { status: 603 }));
    assert_eq!(decisions[0].facts, None);
    assert_eq!(house.storage.recorded_decisions(5_000).await.expect("an answer").len(), 1_203);
}

/// The form of a record as it is kept: what was written by this version is read by the next.
const RECORDED: &str = r#"{"id":"c-1","sip_call_id":"x",
  "presentation":"withheld","calling":null,"called":"0120123456",
  "line":"0120-123-456","client":null,"customer":null,"agent":null,"offered_to":["a055"],
  "started_at":"2026-11-24T01:00:00Z","answered_at":null,"ended_at":null,"end_reason":null,
  "status":486,"talk_s":0,
  "traces":[{"action":{"kind":"offer","agent":"a055","reason":"group"},"rule":"group","trace":[
    {"rule":"emergency","matched":false,"why":"the called number is no emergency number"},
    {"rule":"group","matched":true,"why":"a055 has waited longest in support: 1 free, 0 tried"}]}],
  "facts":{"at":"2026-11-24T01:00:00Z","line":"+81120123456","presentation":"withheld","open":{},
    "history":["2026-11-23T23:00:00Z","2026-11-24T01:00:00Z"],
    "free":[{"id":"a102","offered":3,"answered":1},{"id":"a055","offered":0,"answered":0}],
    "away":{"a117":{"why":{"away":"break"},"back":"2026-11-24T01:10:00Z"}}}}"#;

#[tokio::test]
async fn ten_thousand_records_are_read_and_decided_again() {
    let house = House::new().await;
    house.import(Table::Agents, AGENTS).await.expect("agents");
    house.import(Table::Lines, "number,client,group\n0120-123-456,x,support\n").await.expect("lines");
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         INSERT INTO calls (id, started_at, ended_at, agent, customer, record) \
         SELECT printf('c-%05d', i), '2026-11-24T01:00:00.000000000Z', NULL, NULL, NULL, ?1 FROM n",
    )
    .bind(RECORDED)
    .execute(&mut house.stranger().await)
    .await
    .expect("inserted");
    let directory = house.storage.directory().await.expect("an answer");
    let draft =
        "[[rule]]\nname = \"again\"\nwhen = { repeats = { at_least = 2 } }\nring = { agent = \"a102\" }\n";
    let draft = Arc::new(RuleSet::parse(draft, &RuleLimits::default()).expect("sound"));
    let begun = Instant::now();
    let calls = house.storage.recorded_decisions(10_000).await.expect("an answer");
    let read = begun.elapsed();
    let each = calls.iter().map(|it| (it.call.as_str(), it.facts.as_ref(), it.action.clone()));
    let run = dry_run(&draft, &directory, &jiff::tz::TimeZone::UTC, Abilities::default(), each);
    println!("10,000 records: read in {read:?}, read and decided again in {:?}", begun.elapsed());
    assert_eq!((run.calls, run.not_judged), (10_000, 0));
    assert_eq!((run.different, run.same), (10_000, 0), "{:?}", run.decided_by);
    assert_eq!((run.differences.len(), run.decided_by), (200, vec![("again".to_owned(), 10_000)]));
}

#[tokio::test]
async fn a_callback_is_kept_as_it_last_was_until_it_is_over_and_then_never_changes() {
    let house = House::new().await;
    let mut callback = Callback::sample("cb-1", Some("a055"));
    house.storage.save_callback(&callback, "system").await.expect("kept");
    house.storage.save_callback(&Callback::sample("cb-2", None), "system").await.expect("kept");
    assert_eq!(house.storage.open_callbacks(1).await.expect("an answer").len(), 1);
    callback.state = CallbackState::Attempting(2);
    house.storage.save_callback(&callback, "takahashi").await.expect("kept");
    assert_eq!(house.storage.callback(&callback.id).await, Ok(Some(callback.clone())));
    callback.state = CallbackState::Done;
    callback.ended_at = Some(at(0));
    house.storage.save_callback(&callback, "takahashi").await.expect("kept");
    let late = Callback { state: CallbackState::Requested, ended_at: None, ..callback.clone() };
    house.storage.save_callback(&late, "system").await.expect("an older write changes nothing");
    let open = house.storage.open_callbacks(9).await.expect("an answer");
    assert_eq!(open.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["cb-2"]);
    let ended = |person: Option<&str>| CallbackFilter { person: person.map(AgentId::new) };
    let own = house.storage.ended_callbacks(&ended(Some("a055")), None, 9).await.expect("an answer");
    assert_eq!(own.items, [callback]);
    let others = house.storage.ended_callbacks(&ended(Some("a102")), None, 9).await.expect("an answer");
    assert!(others.items.is_empty() && others.next.is_none());
    assert_eq!(house.count("SELECT COUNT(*) FROM audit WHERE subject = 'cb-1'").await, 4);
}

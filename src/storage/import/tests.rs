//! Files into a real database.

use encoding_rs::SHIFT_JIS;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::customer::{CustomerCard, Direction, Language, NoticeLevel};
use crate::presence::{AgentId, AgentStatus, CustomerId, Role, SetBy};
use crate::storage::{StorageSettings, StoredPresence};

const AGENTS: &str = "id,name,kana,role,contact,groups,skills,status\n\
    a055,佐藤 一郎,サトウ イチロウ,agent,sip:201@192.0.2.10,support;sales,repair,available\n\
    a102,髙橋 花,タカハシ ハナ,manager,sip:202@192.0.2.10,support,,away:left_for_day\n";

const CUSTOMERS: &str = "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n\
    cu-88,山田 花子,ﾔﾏﾀﾞ ﾊﾅｺ,㈱青空商事,A,ja,03-1234-5678;090-1111-2222,a055,返金は管理者確認,danger,complaint:2;vip\n\
    0089,John Smith,,,,en,０３１２３４,,,,\n";

#[tokio::test]
async fn m036_shifts_and_holidays_are_read_into_the_calendar() {
    let house = House::new().await;
    house.import(Table::Agents, AGENTS).await.expect("agents");
    let shifts = "agent,team,day,start,end\n\
        ,support,weekdays,9:30,18:00\n\
        ,support,holiday,10:00,16:00\n\
        a055,,mon,22:00,6:00\n\
        a055,,2026-12-30,,\n";
    let report = house.import(Table::Shifts, shifts).await.expect("shifts");
    assert_eq!((report.new, report.known, report.warnings.total), (8, 0, 0));
    house.import(Table::Holidays, "day,name\n2026/12/29,創立記念日\n2026-11-23,\n").await.expect("holidays");

    let calendar = house.storage.directory().await.expect("a directory").calendar;
    let day = |text: &str| text.parse::<jiff::civil::Date>().expect("a day");
    assert_eq!(calendar.holidays.name(day("2026-12-29")), Some("創立記念日"));
    assert_eq!(calendar.holidays.name(day("2026-11-23")), None);
    let team = calendar.plan(&AgentId::new("a102"), &["support".to_owned()]).expect("the team's plan");
    assert!(team.week[..5].iter().all(Option::is_some) && team.week[5..].iter().all(Option::is_none));
    assert!(team.holiday.is_some());
    let own = calendar.plan(&AgentId::new("a055"), &["support".to_owned()]).expect("a plan of their own");
    assert_eq!(own.days.get(&day("2026-12-30")), Some(&None));

    let again = house.import(Table::Shifts, "team,day,start,end\nsupport,mon,,\n").await.expect("shifts");
    assert_eq!((again.new, again.known), (0, 1));
}

#[tokio::test]
async fn a_shift_of_nobody_is_a_fault_and_one_of_an_empty_team_a_warning() {
    let house = House::new().await;
    let file = "agent,day,start,end\na999,mon,9:00,17:00\n";
    let faults = house.faults(Table::Shifts, file).await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("there is no agent"), "{faults:?}");
    let report = house.import(Table::Shifts, "team,day\nnobody,mon\n").await.expect("a warning only");
    assert_eq!(report.warnings.total, 1);
}

struct House {
    _folder: TempDir,
    storage: Storage,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()));
        let storage = Storage::create_and_migrate(&settings).await.expect("a new database");
        Self { _folder: folder, storage }
    }

    async fn import(&self, table: Table, file: impl AsRef<[u8]>) -> Result<ImportReport, ImportError> {
        self.storage.import(table, file.as_ref(), &digits_of_japan, now(), &|_, _| {}).await
    }

    /// The faults of a file, as they are printed.
    async fn faults(&self, table: Table, file: impl AsRef<[u8]>) -> Vec<String> {
        match self.import(table, file).await {
            Err(ImportError::Faults(faults)) => faults.shown.iter().map(ToString::to_string).collect(),
            Err(ImportError::Storage(error)) => vec![error.to_string()],
            Ok(report) => vec![format!("{report:?}")],
        }
    }

    async fn card(&self, id: &str) -> CustomerCard {
        self.storage.customer(&CustomerId::new(id)).await.expect("an answer").expect("a customer")
    }

    async fn presence(&self, agent: &str) -> StoredPresence {
        let presences = self.storage.presences().await.expect("an answer");
        presences.into_iter().find(|presence| presence.agent.as_str() == agent).expect("a presence")
    }
}

/// Stands in for the number cleaner.
fn digits_of_japan(cell: &str) -> Vec<ImportedNumber> {
    let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
    let e164 = digits.strip_prefix('0').filter(|rest| rest.len() >= 9).map(|rest| format!("+81{rest}"));
    vec![ImportedNumber { e164, raw: cell.to_owned(), ..ImportedNumber::default() }]
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("in range")
}

#[tokio::test]
async fn m025_a_file_reads_the_same_in_both_encodings() {
    let utf8 = House::new().await;
    utf8.import(Table::Agents, AGENTS).await.expect("agents");
    utf8.import(Table::Customers, format!("\u{feff}{CUSTOMERS}")).await.expect("customers");
    let cp932 = House::new().await;
    cp932.import(Table::Agents, SHIFT_JIS.encode(AGENTS).0).await.expect("agents");
    cp932.import(Table::Customers, SHIFT_JIS.encode(CUSTOMERS).0).await.expect("customers");
    for id in ["cu-88", "0089"] {
        assert_eq!(utf8.card(id).await, cp932.card(id).await);
    }
    let card = cp932.card("cu-88").await;
    assert_eq!(card.kana.as_deref(), Some("ﾔﾏﾀﾞ ﾊﾅｺ"));
    assert_eq!(card.company.as_deref(), Some("㈱青空商事"));
    assert_eq!(card.phones, ["+81312345678", "+819011112222"]);
    assert_eq!(cp932.card("0089").await.language, Language::En);
    let directory = cp932.storage.directory().await.expect("an answer");
    assert_eq!(Ok(directory.clone()), utf8.storage.directory().await);
    let agent = &directory.agents[&AgentId::new("a102")];
    assert_eq!((agent.name.as_str(), agent.role), ("髙橋 花", Role::Manager));
    let agent = &directory.agents[&AgentId::new("a055")];
    assert_eq!(
        (agent.groups.as_slice(), agent.skills.as_slice()),
        (&["support".to_owned(), "sales".to_owned()][..], &["repair".to_owned()][..])
    );
}

#[tokio::test]
async fn every_fault_of_a_file_is_told_by_its_line_and_nothing_is_written() {
    let house = House::new().await;
    let file = "phones,id,name,role,language,assignee,notice_level,flags,x\n\
        ,cu-1,\"two\nlines\",,ja,,,,\n\
        ,cu-1,again,,,,,,\n\
        ,,nameless,,,,,,\n\
        ,cu-3,,,,,,,\n\
        ,cu-4,d,,fr,,loud,complaint:many;:2,\n\
        ,cu-5,e,,,a999,,,\n\
        ,cu-6,f\n";
    assert_eq!(
        house.faults(Table::Customers, file).await,
        [
            "4: column id: \"cu-1\" stands in line 2 already; keep one of the two rows",
            "5: column id: it is empty; fill it in",
            "6: column name: it is empty; fill it in",
            "7: column language: \"fr\" is not allowed; use ja or en",
            "7: column notice_level: \"loud\" is not allowed; use info, warn or danger",
            "7: column flags: \"complaint:many\" is no flag; write a code, or code:level as complaint:2",
            "7: column flags: \":2\" is no flag; write a code, or code:level as complaint:2",
            "8: column assignee: there is no agent \"a999\"; import the agent first, or correct the id",
            "9: the row has 3 cells, the header 9; check its commas, and whether a quotation mark is \
             left open",
        ]
    );
    assert_eq!(house.storage.customer(&CustomerId::new("cu-1")).await, Ok(None));
}

#[tokio::test]
async fn faults_of_agents_lines_and_contacts() {
    let house = House::new().await;
    let file =
        "id,name,role,contact,status\na1,x,boss,201,asleep\na2,y,,sip:,away:rona\na3,z,,,away:custom:\n";
    let faults = house.faults(Table::Agents, file).await;
    let starts = [
        "2: column role: \"boss\"",
        "2: column contact: \"201\" is no SIP URI; write it as",
        "2: column status: \"asleep\" is not allowed; use available, offline, or away: with day_off",
        "3: column contact: \"sip:\"",
        "3: column status: \"away:rona\"",
        "4: column status: \"away:custom:\"",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    assert!(faults.iter().zip(starts).all(|(fault, start)| fault.starts_with(start)), "{faults:#?}");

    let file =
        "number,assigned_first\nご案内,true\n0120-123-456,yes\n0120-123-456,TRUE\n0120 123 456,false\n";
    assert_eq!(
        house.faults(Table::Lines, file).await,
        [
            "2: column number: \"ご案内\" is no number that can be called; write it as 03-1234-5678 or as \
             plain digits",
            "3: column assigned_first: \"yes\" is not allowed; use true or false",
            "4: column number: \"0120-123-456\" stands in line 3 already; keep one of the two rows",
            "5: column number: \"0120 123 456\" stands in line 3 already; keep one of the two rows",
        ]
    );

    house.import(Table::Agents, AGENTS).await.expect("agents");
    house.import(Table::Customers, CUSTOMERS).await.expect("customers");
    let file = "customer,at,agent,direction,summary\n\
        cu-88,2026-11-20 10:00,a055,sideways,x\n\
        cu-88,tomorrow,a055,in,x\n\
        cu-0,2026-11-20 10:00,a0,in,x\n\
        cu-88,2026-11-20 10:00,a055,in,\n";
    assert_eq!(
        house.faults(Table::Contacts, file).await,
        [
            "2: column direction: \"sideways\" is not allowed; use in or out",
            "3: column at: \"tomorrow\" is no moment; write it as 2026-11-20 14:05 (clock of Japan) or \
             2026-11-20T14:05:00+09:00",
            "4: column customer: there is no customer \"cu-0\"; import the customer first, or correct the id",
            "4: column agent: there is no agent \"a0\"; import the agent first, or correct the id",
            "5: column summary: it is empty; fill it in",
        ]
    );
    assert_eq!(house.card("cu-88").await.contacts, []);
}

#[tokio::test]
async fn a_second_import_updates_and_replaces_the_lists() {
    let house = House::new().await;
    house.import(Table::Agents, AGENTS).await.expect("agents");
    house.import(Table::Customers, CUSTOMERS).await.expect("customers");
    let file = "id,name,company,phones,assignee,notice,notice_level,flags\n\
        cu-88,山田 華子,,045-111-2222,a102,,,vip\n\
        cu-90,新規,,,,,,\n";
    let report = house.import(Table::Customers, file).await.expect("imported");
    assert_eq!((report.rows, report.new, report.known), (2, 1, 1));
    let card = house.card("cu-88").await;
    assert_eq!((card.name.as_str(), card.company.as_deref()), ("山田 華子", None));
    assert_eq!(
        (card.kana.as_deref(), card.rank.as_deref()),
        (Some("ﾔﾏﾀﾞ ﾊﾅｺ"), Some("A")),
        "columns the file lacks"
    );
    assert_eq!(card.phones, ["+81451112222"]);
    assert_eq!((card.notices.len(), card.flags.len()), (0, 1));
    assert_eq!(card.assignee, Some(AgentId::new("a102")));
    assert_eq!(house.storage.lookup("+81312345678").await, Ok(vec![]));
    assert_eq!(house.card("0089").await.name, "John Smith", "rows the file lacks stay");
}

#[tokio::test]
async fn a_notice_that_did_not_change_keeps_its_id_and_its_date() {
    let house = House::new().await;
    let file = "id,name,notice\n1,a,check the address\n";
    house.import(Table::Customers, file).await.expect("imported");
    let before = house.card("1").await.notices;
    assert_eq!(before[0].level, NoticeLevel::Info);
    let later = Timestamp::from_second(1_795_999_999).expect("in range");
    house
        .storage
        .import(Table::Customers, file.as_bytes(), &digits_of_japan, later, &|_, _| {})
        .await
        .expect("imported");
    assert_eq!(house.card("1").await.notices, before);
    house.import(Table::Customers, "id,name,notice\n1,a,changed\n").await.expect("imported");
    let after = house.card("1").await.notices;
    assert_eq!((after.len(), after[0].text.as_str()), (1, "changed"));
}

#[tokio::test]
async fn contacts_that_are_there_are_not_added_twice() {
    let house = House::new().await;
    house.import(Table::Agents, AGENTS).await.expect("agents");
    house.import(Table::Customers, CUSTOMERS).await.expect("customers");
    let file = "customer,at,agent,direction,channel,summary,disposition\n\
        cu-88,2026-11-20 14:12,a055,,phone,\"修理日程の相談。\n部品待ち\",callback\n\
        cu-88,2026-11-20T05:12:00Z,a055,in,phone,\"修理日程の相談。\n部品待ち\",callback\n\
        cu-88,2026-11-19 09:00,a102,out,mail,見積を送付,\n";
    let report = house.import(Table::Contacts, file).await.expect("imported");
    assert_eq!((report.rows, report.new, report.known), (3, 2, 1));
    let more = format!("{file}cu-88,2026-11-21 09:00,a102,,,催促,\n");
    let report = house.import(Table::Contacts, more).await.expect("imported");
    assert_eq!((report.rows, report.new, report.known), (4, 1, 3));
    let contacts = house.card("cu-88").await.contacts;
    let summaries: Vec<&str> = contacts.iter().map(|contact| contact.summary.as_str()).collect();
    assert_eq!(summaries, ["催促", "修理日程の相談。\n部品待ち", "見積を送付"]);
    assert_eq!(contacts[2].direction, Direction::Out);
    assert_eq!(contacts[1].at.to_string(), "2026-11-20T05:12:00Z");
}

#[tokio::test]
async fn a_status_is_set_only_when_given_and_undoes_nobodys_own() {
    let house = House::new().await;
    let report = house.import(Table::Agents, AGENTS).await.expect("agents");
    assert_eq!(report.warnings.total, 0);
    let presence = house.presence("a055").await;
    assert_eq!((presence.status, presence.set_by), (AgentStatus::Available, SetBy::Shift));
    house.import(Table::Agents, "id,name\na055,佐藤\na300,新人\n").await.expect("no status column");
    assert_eq!(house.presence("a055").await.status, AgentStatus::Available);
    assert_eq!(house.presence("a300").await.status, AgentStatus::Offline);
    house.import(Table::Agents, "id,name,status\na055,佐藤,away:sick\n").await.expect("a status");
    assert!(matches!(house.presence("a055").await.status, AgentStatus::Away(_)));

    let own = StoredPresence {
        agent: AgentId::new("a055"),
        status: AgentStatus::Offline,
        set_by: SetBy::Manual,
        since: now(),
    };
    house.storage.save_presence(&own, "sato").await.expect("saved");
    let report =
        house.import(Table::Agents, "id,name,status\na055,佐藤,available\n").await.expect("imported");
    assert_eq!(
        report.warnings.shown[0].to_string(),
        "2: column status: the status stays as it is, because the agent set it; change it on the screen \
         if it is wrong"
    );
    assert_eq!(house.presence("a055").await, own);
}

#[tokio::test]
async fn lines_are_found_by_key_and_updated_by_number() {
    let house = House::new().await;
    let file = "number,client,greeting_ja,greeting_en,group,assigned_first,priority\n\
        0120-123-456,青葉製作所,\"お電話ありがとうございます。{{ client }} の {{ agent }} でございます。\",,support,true,3\n\
        １１０,緊急,,,,,\n\
        1000,内線,,,support,false,\n";
    let report = house.import(Table::Lines, file).await.expect("imported");
    let warnings: Vec<String> = report.warnings.shown.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["3: column group: it is empty, and assigned_first is false; calls to this line go to the \
             default route; \
          name a group to have them answered"]
    );
    let lines = house.storage.directory().await.expect("an answer").lines;
    assert_eq!(lines.keys().collect::<Vec<_>>(), ["+81120123456", "1000", "110"]);
    let line = &lines["+81120123456"];
    assert_eq!((line.number.as_str(), line.assigned_first, line.priority), ("0120-123-456", true, 3));
    assert_eq!(lines["1000"].priority, 0);
    let report = house.import(Table::Lines, "number,group\n0120123456,sales\n").await.expect("imported");
    assert_eq!((report.new, report.known), (0, 1));
    let line = &house.storage.directory().await.expect("an answer").lines["+81120123456"];
    assert_eq!((line.number.as_str(), line.group.as_deref()), ("0120123456", Some("sales")));
    assert_eq!((line.client.as_str(), line.priority), ("青葉製作所", 3), "columns the file lacks");
}

#[tokio::test]
async fn a_number_that_cannot_be_read_is_a_warning_and_the_customer_stays() {
    let house = House::new().await;
    let file = "id,name,phones\n1,a,〇三-一二三四;0312345678;isub=123;12\n";
    let report = house.import(Table::Customers, file).await.expect("imported");
    let warnings: Vec<String> = report.warnings.shown.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "2: column phones: \"〇三-一二三四\" is no number that can call; it is kept as written and finds \
             nobody; \
             correct it",
            "2: column phones: \"12\" is no number that can call; it is kept as written and finds \
             nobody; correct it",
        ]
    );
    assert_eq!(house.card("1").await.phones.len(), 1);
}

#[tokio::test]
async fn n71_n78_hostile_cells_are_stored_verbatim() {
    let house = House::new().await;
    for text in [
        "'; DROP TABLE customers; --",
        "Robert'); DELETE FROM customers;--",
        "%_\\%",
        "=cmd|' /C calc'!A0",
        "+1-2",
        "-1",
        "@SUM(A1)",
        "\tx",
        "a\"b",
        "<img src=x onerror=alert(1)>",
        "\u{202e}逆",
        "0312",
        "０３",
    ] {
        let quoted = text.replace('"', "\"\"");
        let file =
            format!("id,name,company,notice,flags\n1,\"{quoted}\",\"{quoted}\",\"{quoted}\",\"{quoted}\"\n");
        house.import(Table::Customers, file).await.expect("imported");
        let card = house.card("1").await;
        assert_eq!((card.name.as_str(), card.company.as_deref()), (text, Some(text)));
        assert_eq!(card.notices[0].text, text);
        assert_eq!(house.storage.lookup(text).await, Ok(vec![]));
        assert_eq!(house.storage.customer(&CustomerId::new(text)).await, Ok(None));
    }
}

#[tokio::test]
async fn n81_a_fault_shows_a_hostile_cell_on_one_harmless_line() {
    let house = House::new().await;
    let file = "id,name,language\n1,a,\"\u{1b}[2J\r\nx\u{202e}y\"\n";
    assert_eq!(
        house.faults(Table::Customers, file).await,
        ["2: column language: \"\u{fffd}[2J\u{fffd}\u{fffd}x\u{fffd}y\" is not allowed; use ja or en"]
    );
}

#[tokio::test]
async fn a_file_larger_than_a_batch_is_written_whole() {
    let house = House::new().await;
    let rows: String =
        (0..1234).map(|n| format!("cu-{n},name {n},0312{n:06};0452{n:06},vip,note {n}\n")).collect();
    let file = format!("id,name,phones,flags,notice\n{rows}");
    for (new, known) in [(1234, 0), (0, 1234)] {
        let report = house.import(Table::Customers, &file).await.expect("imported");
        assert_eq!((report.new, report.known), (new, known));
        assert_eq!(house.storage.phone_index().await.map(|index| index.len()), Ok(2468));
    }
    let card = house.card("cu-1233").await;
    assert_eq!((card.flags.len(), card.notices[0].text.as_str()), (1, "note 1233"));
}

//! Two client companies, their agents, customers, lines and history, moved to the present day.

use std::net::SocketAddr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use crate::presence::{Absence, AbsenceReason, AgentId, AgentStatus};
use crate::storage::UserRole;
use crate::storage::import::Table;

const AGENTS: &str = include_str!("data/agents.csv");
const CUSTOMERS: &str = include_str!("data/customers.csv");
const LINES: &str = include_str!("data/lines.csv");
const CONTACTS: &str = include_str!("data/contacts.csv");

/// Stands in the agents' contacts where the address of the simulated phones goes.
const PHONES: &str = "PHONES";
/// The day of the newest contact as written.
const LAST_DAY: Date = jiff::civil::date(2026, 11, 21);
/// When shifts begin.
const SHIFT_START: Time = jiff::civil::time(9, 30, 0, 0);

/// The sample as CSV texts of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    agents: String,
    contacts: String,
}

/// Somebody who can log in to the demonstration; the password is made when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// The name to log in with.
    pub name: &'static str,
    /// What they may do.
    pub role: UserRole,
    /// The agent they are.
    pub agent: Option<&'static str>,
}

/// The sample, its newest contact yesterday; every agent's phone is at `phones`.
pub fn sample(now: &Zoned, phones: SocketAddr) -> Sample {
    Sample {
        agents: AGENTS.replace(PHONES, &phones.to_string()),
        contacts: moved(CONTACTS, now.with_time_zone(tokyo()).date()),
    }
}

impl Sample {
    /// The files in the order they can be imported in.
    pub fn files(&self) -> [(Table, &str); 4] {
        [
            (Table::Agents, &self.agents),
            (Table::Customers, CUSTOMERS),
            (Table::Lines, LINES),
            (Table::Contacts, &self.contacts),
        ]
    }
}

/// Who can log in; the first is the one to begin with.
pub fn log_ins() -> [LogIn; 6] {
    let of = |name, role, agent| LogIn { name, role, agent };
    [
        of("takahashi", UserRole::Agent, Some("a102")),
        of("hayashi", UserRole::Agent, Some("a103")),
        of("sasaki", UserRole::Agent, Some("a107")),
        of("suzuki", UserRole::Supervisor, Some("a117")),
        of("tanaka", UserRole::Manager, Some("a201")),
        of("admin", UserRole::Admin, None),
    ]
}

/// Who is absent, why and until when, seen from now. The CSV file holds the reasons only.
pub fn presences(now: &Zoned) -> Vec<(AgentId, AgentStatus)> {
    let now = now.with_time_zone(tokyo());
    let back_in = |minutes| Some(next_five_minutes(&now, minutes));
    let start = Some(next_start(&now));
    let absences = [
        ("a055", AbsenceReason::Break, back_in(20), None),
        ("a105", AbsenceReason::Sick, None, None),
        ("a106", AbsenceReason::DayOff, None, start),
        ("a108", AbsenceReason::Out, back_in(120), None),
        ("a109", AbsenceReason::LeftForDay, None, start),
        ("a110", AbsenceReason::OtherCase, None, None),
        ("a112", AbsenceReason::Custom("custom:研修".to_owned()), back_in(90), None),
        ("a201", AbsenceReason::Meeting, back_in(45), None),
    ];
    let away = |(agent, reason, until, next_start)| {
        (AgentId::new(agent), AgentStatus::Away(Absence { reason, until, next_start }))
    };
    absences.map(away).into()
}

/// The history as if its newest day were yesterday.
fn moved(contacts: &str, today: Date) -> String {
    let days = LAST_DAY.until(today.yesterday().unwrap_or(today)).map_or(0, |span| span.get_days());
    let mut lines = Vec::new();
    for line in contacts.lines() {
        let moment = line.split(',').nth(1).and_then(|cell| Some((cell, cell.parse::<Timestamp>().ok()?)));
        lines.push(match moment {
            Some((cell, at)) => line.replacen(cell, &moved_moment(at, days).to_string(), 1),
            None => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}

/// Japan has no summer time: a day is always 24 hours.
fn moved_moment(at: Timestamp, days: i32) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(at)
}

/// In so many minutes, rounded up to five: what a person would say.
fn next_five_minutes(now: &Zoned, minutes: i64) -> Timestamp {
    let second = now.timestamp().as_second() + 60 * minutes;
    Timestamp::from_second((second + 299).div_euclid(300) * 300).unwrap_or(now.timestamp())
}

/// The next working day's shift, Saturday and Sunday off.
fn next_start(now: &Zoned) -> Timestamp {
    let mut day = now.date();
    loop {
        day = day.saturating_add(1.day());
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) || day == Date::MAX {
            break;
        }
    }
    day.to_datetime(SHIFT_START).to_zoned(tokyo()).map_or(now.timestamp(), |start| start.timestamp())
}

fn tokyo() -> TimeZone {
    TimeZone::fixed(Offset::constant(9))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::demo::scenarios;
    use crate::identity::{NumberKind, Quality, TrunkContext, canon};
    use crate::storage::import::ImportedNumber;
    use crate::storage::{Storage, StorageSettings};

    type Rows = Vec<BTreeMap<String, String>>;

    /// Monday noon in Tokyo.
    fn monday() -> Zoned {
        "2027-03-01T12:01:30+09:00[+09:00]".parse().expect("a moment")
    }

    fn sample_now() -> Sample {
        sample(&monday(), "127.0.0.1:5090".parse().expect("an address"))
    }

    fn rows(table: Table) -> Rows {
        let sample = sample_now();
        let files = sample.files();
        let text = files.iter().find(|(other, _)| *other == table).expect("each table has a file").1;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.deserialize().collect::<Result<Rows, _>>().expect("sound CSV")
    }

    fn ids(table: Table) -> BTreeSet<String> {
        rows(table).iter().map(|row| row["id"].clone()).collect()
    }

    #[test]
    fn the_headers_are_those_of_the_contract() {
        for (table, text) in sample_now().files() {
            let header = match table {
                Table::Customers => {
                    "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags"
                }
                Table::Agents => "id,name,kana,role,contact,groups,skills,status",
                Table::Lines => "number,client,greeting_ja,greeting_en,group,assigned_first",
                Table::Contacts => "customer,at,agent,direction,channel,summary,disposition",
                Table::Shifts => "agent,team,day,start,end",
                Table::Holidays => "day,name",
            };
            assert_eq!(text.lines().next(), Some(header));
        }
    }

    #[test]
    fn every_number_is_sound_and_unique_unless_it_is_shared_on_purpose() {
        let context = TrunkContext::new("JP").expect("a region");
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows(Table::Customers) {
            for phone in row["phones"].split(';') {
                let number = canon(phone, &context);
                assert_eq!(number.quality, Quality::Certain, "{phone}");
                owners.entry(number.key.expect("sound")).or_default().push(row["id"].clone());
            }
        }
        let shared = owners.into_iter().filter(|(_, ids)| ids.len() > 1).collect::<Vec<_>>();
        let company = ["cu-111", "cu-112", "cu-113"].map(str::to_owned).to_vec();
        let family = ["cu-114", "cu-115"].map(str::to_owned).to_vec();
        assert_eq!(shared, [("+81312345690".to_owned(), company), ("+81451234567".to_owned(), family)]);
        for row in rows(Table::Lines) {
            assert_ne!(canon(&row["number"], &context).kind, NumberKind::Unknown, "{}", row["number"]);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let (agents, customers) = (ids(Table::Agents), ids(Table::Customers));
        for row in rows(Table::Customers) {
            assert!(row["assignee"].is_empty() || agents.contains(&row["assignee"]), "{}", row["id"]);
        }
        for row in rows(Table::Contacts) {
            assert!(agents.contains(&row["agent"]) && customers.contains(&row["customer"]), "{row:?}");
            assert!(!row["summary"].is_empty(), "{row:?}");
        }
        let skills =
            rows(Table::Agents).iter().flat_map(|row| words(&row["groups"])).collect::<BTreeSet<_>>();
        for row in rows(Table::Lines) {
            assert!(row["group"].is_empty() || skills.contains(&row["group"]), "{row:?}");
        }
        for log_in in log_ins() {
            assert!(log_in.agent.is_none_or(|agent| agents.contains(agent)), "{log_in:?}");
        }
    }

    fn words(cell: &str) -> Vec<String> {
        cell.split(';').map(str::to_owned).collect()
    }

    #[test]
    fn m002_every_absence_reason_is_there_and_agrees_with_the_file() {
        let stated: BTreeMap<String, String> = rows(Table::Agents)
            .into_iter()
            .filter_map(|row| Some((row["id"].clone(), row["status"].strip_prefix("away:")?.to_owned())))
            .collect();
        let mut seen = BTreeMap::new();
        for (agent, status) in presences(&monday()) {
            let AgentStatus::Away(absence) = status else { panic!("{agent} is not away") };
            let reason = serde_json::to_value(&absence.reason).expect("a word");
            seen.insert(agent.to_string(), reason.as_str().expect("a word").to_owned());
        }
        assert_eq!(seen, stated);
        let reasons = seen.values().map(String::as_str).collect::<BTreeSet<_>>();
        for reason in ["day_off", "sick", "meeting", "other_case", "break", "left_for_day", "out"] {
            assert!(reasons.contains(reason), "{reason}");
        }
    }

    #[test]
    fn m036_the_next_start_skips_the_weekend() {
        let friday: Zoned = "2027-03-05T18:00:00+09:00[+09:00]".parse().expect("a moment");
        let monday: Timestamp = "2027-03-08T09:30:00+09:00".parse().expect("a moment");
        assert_eq!(next_start(&friday), monday);
        let noon: Timestamp = "2027-03-01T12:25:00+09:00".parse().expect("a moment");
        assert_eq!(next_five_minutes(&self::monday(), 20), noon);
    }

    #[test]
    fn the_newest_contact_is_of_yesterday_and_none_is_later() {
        let moments = rows(Table::Contacts);
        let newest = moments.iter().map(|row| row["at"].parse::<Timestamp>().expect("a moment")).max();
        let newest = newest.expect("there are contacts").to_zoned(tokyo());
        assert_eq!(newest.date(), monday().date().yesterday().expect("within range"));
    }

    #[test]
    fn m011_a_known_caller_of_a_scenario_has_a_history_to_show() {
        let contacts = rows(Table::Contacts);
        let with_three = scenarios()
            .into_iter()
            .filter_map(|scenario| scenario.customer)
            .filter(|customer| contacts.iter().filter(|row| row["customer"] == *customer).count() >= 3);
        assert!(with_three.count() >= 10);
        assert!(contacts.iter().filter(|row| row["customer"] == "cu-88").count() > 10);
    }

    #[tokio::test]
    async fn the_sample_is_imported_without_a_fault_or_a_warning() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("demo.db").display());
        let storage = Storage::create_and_migrate(&StorageSettings::new(url)).await.expect("created");
        let context = TrunkContext::new("JP").expect("a region");
        let normalise = |cell: &str| {
            let number = canon(cell, &context);
            let kind = Some(format!("{:?}", number.kind));
            vec![ImportedNumber { e164: number.key, raw: cell.to_owned(), kind, extension: None, note: None }]
        };
        for (table, text) in sample_now().files() {
            let done = storage.import(table, text.as_bytes(), &normalise, Timestamp::now(), &|_, _| ()).await;
            let report = done.expect("no fault");
            assert!(report.rows >= 5, "{table:?}");
            let warnings = format!("{:?}", report.warnings);
            assert_eq!(report.warnings.total, 0, "{warnings}");
        }
        let cards = storage.lookup("+81312345690").await.expect("looked up");
        assert_eq!(cards.len(), 3);
        let card = &storage.lookup("+81312345678").await.expect("looked up")[0];
        assert_eq!((card.name.as_str(), card.contacts.len(), card.notices.len()), ("山田 花子", 10, 1));
    }
}

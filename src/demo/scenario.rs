//! Calls to try: each shows one thing the product is for.

use crate::guidance::Bilingual;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its stable name, for buttons and the command line.
    pub id: &'static str,
    /// Who calls, as `toritsugi call --from` takes it.
    pub from: &'static str,
    /// The line that is called.
    pub line: &'static str,
    /// The customer who calls, when one alone has the number.
    pub customer: Option<&'static str>,
    /// What it shows.
    pub shows: Bilingual,
}

/// Who calls, which line, which customer, and what it shows in Japanese and English.
type Row = (&'static str, &'static str, &'static str, Option<&'static str>, &'static str, &'static str);

const SERVICE: &str = "0120-123-456";
const ORDERS: &str = "0120-987-654";
const SUBSCRIPTIONS: &str = "0800-123-4567";

/// The assignee is absent, each time for another reason (M001, M032–M037, M098).
const ABSENCES: [Row; 8] = [
    (
        "break",
        "03-1234-5678",
        SERVICE,
        Some("cu-88"),
        "担当は休憩中(言い方は「席を外しております」)、重要通知あり",
        "The assignee is on a break (spoken: away from the desk); an important notice",
    ),
    (
        "sick",
        "03-1234-5611",
        SERVICE,
        Some("cu-101"),
        "担当は病欠(病気とは言わない)",
        "The assignee is ill (spoken: off today)",
    ),
    (
        "day-off",
        "045-123-4511",
        SERVICE,
        Some("cu-102"),
        "担当は休み、次の出社日を案内",
        "The assignee has the day off; the next working start is told",
    ),
    (
        "meeting-complaint",
        "06-1234-5613",
        SERVICE,
        Some("cu-103"),
        "クレームのお客様、担当の管理者は会議中(言い方は「外出しております」)",
        "A complaint whose manager is in a meeting (spoken: out of the office)",
    ),
    (
        "left-for-day",
        "052-123-4515",
        SERVICE,
        Some("cu-105"),
        "担当は退社、明日の出社時刻を案内",
        "The assignee has left for the day; tomorrow's start is told",
    ),
    (
        "out",
        "090-1234-5616",
        SERVICE,
        Some("cu-106"),
        "担当は外出中(訪問修理)",
        "The assignee is out on a repair visit",
    ),
    (
        "other-case",
        "080-1234-5617",
        ORDERS,
        Some("cu-107"),
        "担当は別件対応中、終わり次第の折り返しを提案(承認待ち)",
        "The assignee is on another case; a callback is proposed (locked until approved)",
    ),
    (
        "custom",
        "070-1234-5618",
        SUBSCRIPTIONS,
        Some("cu-108"),
        "担当は研修中(社内独自の理由)、代わりの窓口がない回線なのでPBXへ",
        "The assignee is in training (the house's own reason); the line has no group: to the PBX",
    ),
];

/// Who calls (M052, M076, the six states of a caller's number).
const CALLERS: [Row; 12] = [
    (
        "assignee",
        "090-1234-5614",
        SERVICE,
        Some("cu-104"),
        "担当が在席、担当の電話が最初に鳴る",
        "The assignee is there and is rung first",
    ),
    (
        "several",
        "03-1234-5690",
        SERVICE,
        None,
        "代表番号で該当3件、選ぶまで履歴は出ない",
        "Three customers share the number; no history before one is chosen",
    ),
    (
        "family",
        "045-123-4567",
        SERVICE,
        None,
        "ご家族で同じ番号、該当2件",
        "Two of a family share the number",
    ),
    (
        "danger",
        "090-1234-5630",
        SERVICE,
        Some("cu-130"),
        "要注意のお客様、赤の重要通知を確認してから",
        "A caller to be careful with: the red notice is confirmed first",
    ),
    (
        "frequent",
        "03-1234-5631",
        ORDERS,
        Some("cu-131"),
        "頻回のお客様、名指しを繰り返す",
        "A frequent caller who keeps asking for one operator",
    ),
    (
        "vip",
        "03-1234-5632",
        SERVICE,
        Some("cu-132"),
        "重要顧客、保守契約の更新月",
        "An important customer whose contract is due",
    ),
    (
        "english",
        "080-1234-5620",
        SERVICE,
        Some("cu-120"),
        "英語のお客様、担当は休憩中、台本は英語",
        "An English-speaking customer, the assignee on a break: the script is in English",
    ),
    (
        "rare-kanji",
        "070-1234-5633",
        ORDERS,
        Some("cu-133"),
        "お名前の字形(髙・﨑)と読み",
        "Rare forms of kanji in the name, with the reading",
    ),
    ("unknown", "090-1234-0001", SERVICE, None, "該当者なし", "Nobody known has the number"),
    (
        "withheld",
        "anonymous",
        SERVICE,
        None,
        "非通知、番号は検索も表示もしない",
        "Withheld: the number is neither looked up nor shown",
    ),
    ("payphone", "payphone", SERVICE, None, "公衆電話", "A payphone"),
    (
        "out-of-area",
        "unavailable",
        SERVICE,
        None,
        "表示圏外",
        "Out of area: the network cannot deliver the number",
    ),
];

/// All of them; the first is the one to begin with.
pub fn scenarios() -> Vec<Scenario> {
    ABSENCES.into_iter().chain(CALLERS).map(Scenario::of).collect()
}

impl Scenario {
    fn of((id, from, line, customer, ja, en): Row) -> Self {
        Self { id, from, line, customer, shows: Bilingual { ja: ja.to_owned(), en: en.to_owned() } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CUSTOMERS: &str = include_str!("data/customers.csv");
    const AGENTS: &str = include_str!("data/agents.csv");
    const LINES: &str = include_str!("data/lines.csv");

    /// The rows that hold this text in a cell of several.
    fn rows_with(text: &'static str, column: usize, value: &str) -> Vec<csv::StringRecord> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.records().map(|row| row.expect("sound CSV"));
        rows.filter(|row| row[column].split(';').any(|cell| cell == value)).collect()
    }

    #[test]
    fn each_scenario_reaches_whom_it_says() {
        for scenario in scenarios() {
            let found = rows_with(CUSTOMERS, 6, scenario.from);
            match scenario.customer {
                Some(customer) => {
                    assert_eq!(found.len(), 1, "{}", scenario.id);
                    assert_eq!(&found[0][0], customer, "{}", scenario.id);
                }
                None => assert_ne!(found.len(), 1, "{}", scenario.id),
            }
            assert_eq!(rows_with(LINES, 0, scenario.line).len(), 1, "{}", scenario.id);
        }
    }

    #[test]
    fn m001_each_absence_is_shown_on_a_line_that_asks_for_the_assignee_first() {
        for scenario in ABSENCES.map(Scenario::of) {
            let customer = &rows_with(CUSTOMERS, 6, scenario.from)[0];
            let assignee = &rows_with(AGENTS, 0, &customer[7])[0];
            assert_eq!(&rows_with(LINES, 0, scenario.line)[0][5], "true", "{}", scenario.id);
            let status = assignee[7].strip_prefix("away:").unwrap_or_default().replace('_', "-");
            let expected = match scenario.id {
                "meeting-complaint" => "meeting",
                "custom" => "custom:研修",
                id => id,
            };
            assert_eq!(status, expected);
        }
    }

    #[test]
    fn the_calls_can_be_placed_and_are_told_apart() {
        let scenarios = scenarios();
        let ids: BTreeSet<_> = scenarios.iter().map(|scenario| scenario.id).collect();
        assert_eq!(ids.len(), scenarios.len());
        assert!(
            scenarios.iter().all(|scenario| !scenario.shows.ja.is_empty() && !scenario.shows.en.is_empty())
        );
    }

    #[test]
    fn somebody_is_there_to_take_the_calls_of_every_group() {
        for line in rows_with(LINES, 4, "aoba").iter().chain(&rows_with(LINES, 4, "aoba-repair")) {
            let members = rows_with(AGENTS, 5, &line[4]);
            assert!(members.iter().any(|agent| &agent[7] == "available"), "{}", &line[4]);
        }
        assert!(rows_with(AGENTS, 5, "minato").iter().any(|agent| &agent[7] == "available"));
    }
}

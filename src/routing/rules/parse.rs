//! From the text of a set of rules to what is asked for each call.

use std::str::FromStr;
use std::sync::Arc;

use toml::de::DeTable;

use super::conditions::read_conditions;
use super::model::{
    Adds, Frequent, Park, ParkMode, Rule, RuleAction, RuleFault, RuleLimits, RuleSet, Strategy, Tier,
    WaitFor, Who, WhyAssignee,
};
use super::read::{Notes, Section};
use crate::park::TOP_PRIORITY;
use crate::presence::AgentId;

/// Characters of a name, an id, a group or a sentence.
const TEXT_CHARS: usize = 200;

/// Tiers of one rule.
const TIERS: usize = 8;

/// Seconds a rule may let a caller wait.
const PATIENCE_S: u32 = 3_600;

/// Hours a window of calls may have: a week.
pub(super) const WINDOW_H: u32 = 168;

/// Calls of one caller that are remembered, and can be asked for.
pub(super) const CALLS: u32 = 64;

/// Steps of the trace that are no rules of the house's.
const TAKEN_NAMES: [&str; 6] =
    ["emergency", "not_a_line", "complaint_case", "assignee_first", "group", "default_route"];

/// Final statuses a rule may answer with.
const STATUSES: [u32; 10] = [403, 404, 410, 480, 486, 488, 503, 600, 603, 607];

/// Reads a set of rules.
pub(super) fn parse(text: &str, limits: &RuleLimits) -> Result<RuleSet, Vec<RuleFault>> {
    let whole = |what: String| vec![RuleFault { line: None, what }];
    if text.len() > limits.octets {
        return Err(whole(format!(
            "the text has {} octets, and a set of rules has at most {}",
            text.len(),
            limits.octets
        )));
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    let notes = Notes::new(text);
    for error in &errors {
        // Only the first line says what is wrong; the rest is a drawing for a terminal.
        notes.fault(error.span().as_ref(), error.message().lines().next().unwrap_or("not TOML"));
    }
    let set = read_set(&Section::new(String::new(), 0..0, tree.get_ref(), &notes), text, limits);
    let faults = notes.into_faults();
    if faults.is_empty() { Ok(set) } else { Err(faults) }
}

fn read_set(root: &Section<'_>, text: &str, limits: &RuleLimits) -> RuleSet {
    let mut set = RuleSet { source: Arc::from(text), ..RuleSet::default() };
    if let Some(order) = root.texts("assignee_order", WhyAssignee::ORDER.len(), word(&WHY_ASSIGNEE)) {
        if (1..order.len()).any(|index| order[..index].contains(&order[index])) {
            root.fault("assignee_order", "names one of them twice");
        }
        set.assignee_order = order;
    }
    if let Some(frequent) = root.section("frequent") {
        set.frequent = read_frequent(&frequent, "calls");
    }
    let rules = root.sections("rule").unwrap_or_default();
    if rules.len() > limits.rules {
        root.fault("rule", &format!("there are {} rules, and at most {}", rules.len(), limits.rules));
        return set;
    }
    for section in rules {
        let rule = read_rule(section, limits);
        if set.rules.iter().any(|known: &Rule| known.name == rule.0.name) {
            rule.1.fault("name", &format!("\"{}\" is the name of another rule", rule.0.name.escape_debug()));
        }
        set.rules.push(rule.0);
    }
    root.refuse_unknown_keys();
    set
}

const WHY_ASSIGNEE: [(&str, WhyAssignee); 3] = [
    ("open_case_owner", WhyAssignee::OpenCaseOwner),
    ("account_owner", WhyAssignee::AccountOwner),
    ("last_agent", WhyAssignee::LastAgent),
];

/// `{ calls = 5, within_h = 24 }`; the count has another name where it is a condition.
pub(super) fn read_frequent(section: &Section<'_>, count: &'static str) -> Frequent {
    let default = Frequent::default();
    let frequent = Frequent {
        calls: section.number(count, 1..=CALLS).unwrap_or(default.calls),
        within_h: section.number("within_h", 1..=WINDOW_H).unwrap_or(default.within_h),
    };
    section.refuse_unknown_keys();
    frequent
}

fn read_rule<'d>(mut section: Section<'d>, limits: &RuleLimits) -> (Rule, Section<'d>) {
    let name = section.text("name", name).unwrap_or_default();
    if !section.has("name") {
        section.fault("name", "every rule has a name");
    }
    section.place = format!("rule \"{}\"", name.escape_debug());
    let enabled = section.flag("enabled").unwrap_or(true);
    section.text("note", sentence);
    let conditions = section.section("when").map(|when| read_conditions(&when, limits)).unwrap_or_default();
    let adds = read_adds(&section, limits);
    let action = read_action(&section);
    if action.is_none() && adds == Adds::default() {
        let what = "does nothing: write one of ring, park, forward, reject, callback, exclude, \
                    protect_assignee, guidance_ja, guidance_en, alert, priority";
        section.fault_here(what);
    }
    section.refuse_unknown_keys();
    let line = section.line();
    (Rule { name, line, enabled, conditions, adds, action }, section)
}

fn read_adds(section: &Section<'_>, limits: &RuleLimits) -> Adds {
    let agent = |text: &str| sentence(text).map(AgentId::new);
    Adds {
        exclude: section.texts("exclude", limits.entries, agent).unwrap_or_default(),
        protect_assignee: section.flag("protect_assignee").unwrap_or(false),
        guidance_ja: section.text("guidance_ja", sentence),
        guidance_en: section.text("guidance_en", sentence),
        alert: section.text("alert", sentence),
        priority: section
            .number("priority", 0..=u32::from(TOP_PRIORITY))
            .and_then(|it| u8::try_from(it).ok()),
    }
}

fn read_action(section: &Section<'_>) -> Option<RuleAction> {
    const ACTIONS: [&str; 5] = ["ring", "park", "forward", "reject", "callback"];
    let named: Vec<&str> = ACTIONS.into_iter().filter(|key| section.has(key)).collect();
    if named.len() > 1 {
        section.fault_here(&format!("only one of {} can be done", named.join(", ")));
    }
    let ring = section.sections("ring").map(|tiers| read_tiers(section, &tiers));
    let park = section.section("park").map(|park| RuleAction::Park(read_park(&park)));
    let forward = section.text("forward", destination).map(RuleAction::Forward);
    let reject = section.number("reject", 400..=699).and_then(|status| {
        if STATUSES.contains(&status) {
            return u16::try_from(status).ok().map(RuleAction::Reject);
        }
        let known = STATUSES.map(|status| status.to_string()).join(", ");
        section.fault("reject", &format!("{status} is no status to refuse a call with; use one of {known}"));
        None
    });
    let callback = section.flag("callback").and_then(|yes| yes.then_some(RuleAction::Callback));
    ring.or(park).or(forward).or(reject).or(callback)
}

fn read_tiers(rule: &Section<'_>, tiers: &[Section<'_>]) -> RuleAction {
    if tiers.is_empty() || tiers.len() > TIERS {
        rule.fault("ring", &format!("has {} tiers; it must have from 1 to {TIERS}", tiers.len()));
    }
    RuleAction::Ring(tiers.iter().filter_map(read_tier).collect())
}

fn read_tier(section: &Section<'_>) -> Option<Tier> {
    let who = read_who(section);
    let strategy = section.text("strategy", strategy).unwrap_or_default();
    section.refuse_unknown_keys();
    let Some(who) = who else {
        section.fault_here("names nobody: write assignee = true, agent, group or skill (or group and skill)");
        return None;
    };
    Some(Tier { who, strategy })
}

/// `assignee = true`, `agent = …`, or `group` and `skill`.
pub(super) fn read_who(section: &Section<'_>) -> Option<Who> {
    let assignee = section.flag("assignee").unwrap_or(false).then_some(Who::Assignee);
    let agent = section.text("agent", sentence).map(|agent| Who::Agent(AgentId::new(agent)));
    let (group, skill) = (section.text("group", sentence), section.text("skill", sentence));
    let pool = (group.is_some() || skill.is_some()).then_some(Who::Pool { group, skill });
    let named = [assignee.is_some(), agent.is_some(), pool.is_some()].iter().filter(|named| **named).count();
    if named > 1 {
        section.fault_here("names several at once: assignee, agent, or group and skill");
    }
    assignee.or(agent).or(pool)
}

fn strategy(text: &str) -> Result<Strategy, String> {
    word(&[
        ("longest_idle", Strategy::LongestIdle),
        ("round_robin", Strategy::RoundRobin),
        ("least_calls", Strategy::LeastCalls),
        ("ring_all", Strategy::RingAll),
    ])(text)
}

fn read_park(section: &Section<'_>) -> Park {
    let modes = [
        ("ringing", ParkMode::Ringing),
        ("early-media", ParkMode::EarlyMedia),
        ("answered", ParkMode::Answered),
    ];
    let mode = section.text("mode", word(&modes));
    let patience_s = section.number("patience_s", 1..=PATIENCE_S);
    for (key, missing) in [("mode", !section.has("mode")), ("patience_s", !section.has("patience_s"))] {
        if missing {
            section.fault(key, "is missing");
        }
    }
    let wait_for = section.text("wait_for", |text| match text.split_once(':') {
        None if text == "assignee" => Ok(WaitFor::Assignee),
        None if text == "line" => Ok(WaitFor::Line),
        Some(("group", group)) if !group.is_empty() => sentence(group).map(WaitFor::Group),
        Some(("skill", skill)) if !skill.is_empty() => sentence(skill).map(WaitFor::Skill),
        None | Some(_) => Err("write assignee, line, group:NAME or skill:NAME".to_owned()),
    });
    section.refuse_unknown_keys();
    Park {
        mode: mode.unwrap_or(ParkMode::Ringing),
        patience_s: patience_s.unwrap_or(1),
        wait_for: wait_for.unwrap_or(WaitFor::Line),
    }
}

fn name(text: &str) -> Result<String, String> {
    if TAKEN_NAMES.contains(&text) {
        return Err(format!("\"{text}\" is the name of a built-in step"));
    }
    sentence(text)
}

/// A text of people's: not empty, of one line, and not too long.
pub(super) fn sentence(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if length > TEXT_CHARS {
        return Err(format!("has {length} characters, and at most {TEXT_CHARS}"));
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    Ok(text.to_owned())
}

/// A SIP URI, or a number that the default route is given.
fn destination(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (2..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:"));
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>' | b'"' | b'?' | b',');
    match rest {
        Some(rest) if (1..=TEXT_CHARS).contains(&rest.len()) && rest.bytes().all(plain) => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err(format!(
            "\"{}\" is neither a sip: URI without headers nor a number of digits",
            text.escape_debug()
        )),
    }
}

/// One of several words.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    let words: Vec<(String, T)> = words.iter().map(|(word, value)| ((*word).to_owned(), *value)).collect();
    move |text| {
        words.iter().find(|(word, _)| word == text).map(|(_, value)| *value).ok_or_else(|| {
            let known = words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(", ");
            format!("\"{}\" is unknown; use one of {known}", text.escape_debug())
        })
    }
}

/// Two values around a separator.
pub(super) fn pair<T: FromStr>(text: &str, between: &str, wanted: &str) -> Result<(T, T), String> {
    let both = text
        .split_once(between)
        .and_then(|(one, other)| Some((one.trim().parse().ok()?, other.trim().parse().ok()?)));
    both.ok_or_else(|| format!("\"{}\" is not understood; write {wanted}", text.escape_debug()))
}

//! Whether a condition holds, and when not, why.

use std::cell::OnceCell;

use jiff::civil::{Date, DateTime, Time};

use super::NumberPattern;
use super::apply::pool_name;
use super::model::{AssigneeIs, Condition, CustomerIs, FlagIs, Frequent, Who};
use crate::customer::{CustomerCard, Language};
use crate::identity::{Number, NumberKind, Presentation};
use crate::presence::{AbsenceReason, AgentId, WhyNot};
use crate::routing::{Agent, CustomerFact, Facts, Line, assignee_of, calls_within};

/// A call as the conditions look at it; what several of them need is made once.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts<'a>,
    line: &'a Line,
    card: Option<&'a CustomerCard>,
    assignee: Option<&'a AgentId>,
    local: OnceCell<DateTime>,
    digits: OnceCell<String>,
}

impl<'a> View<'a> {
    pub(super) fn of(facts: &'a Facts<'a>, line: &'a Line) -> Self {
        let card = facts.customer.card();
        let order = &facts.directory.rules.assignee_order;
        let assignee = assignee_of(order, card, facts.background.open).map(|(agent, _)| agent);
        Self { facts, line, card, assignee, local: OnceCell::new(), digits: OnceCell::new() }
    }

    /// The line.
    pub(super) const fn dialled(&self) -> &'a Line {
        self.line
    }

    /// Who looks after the customer.
    pub(super) fn assignee(&self) -> Option<&'a AgentId> {
        self.assignee
    }

    /// The agents of a tier, by id.
    pub(super) fn pool<'w>(&self, who: &'w Who) -> impl Iterator<Item = &'a Agent> + use<'a, 'w> {
        let assignee = self.assignee;
        let is_in = move |agent: &Agent| match who {
            Who::Assignee => assignee == Some(&agent.id),
            Who::Agent(id) => agent.id == *id,
            Who::Pool { group, skill } => {
                group.as_ref().is_none_or(|group| agent.groups.contains(group))
                    && skill.as_ref().is_none_or(|skill| agent.skills.contains(skill))
            }
        };
        self.facts.directory.agents.values().filter(move |agent| is_in(agent))
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why not. Numbers and names of callers are not in it: traces are shown to many.
    pub(super) fn holds(&self, condition: &Condition) -> Result<(), String> {
        let open = self.facts.background.open;
        let case = open.and_then(|open| open.case.as_ref());
        match condition {
            Condition::Line(lines) => self.line(lines),
            Condition::Client(clients) => {
                ok(clients.contains(&self.line.client), || format!("client: it is {}", self.line.client))
            }
            Condition::LineGroup(groups) => self.line_group(groups),
            Condition::Weekday(days) => self.weekday(days),
            Condition::Holiday(wanted) => self.holiday(*wanted),
            Condition::Dates(dates) => self.date(dates),
            Condition::Time(spans) => self.time(spans),
            Condition::Presentation(wanted) => {
                let is = self.facts.presentation.code();
                ok(wanted.contains(&is), || format!("presentation: it is {is}"))
            }
            Condition::Number(patterns) => self.number_fits(patterns),
            Condition::Kind(kinds) => self.kind(kinds),
            Condition::Customer(wanted) => {
                let is = customer_is(&self.facts.customer);
                ok(wanted.contains(&is), || format!("customer: {}", is.code()))
            }
            Condition::CustomerId(ids) => self.customer_id(ids),
            Condition::Flags(wanted) => self.flag(wanted),
            Condition::WithoutFlags(unwanted) => self.without_flag(unwanted),
            Condition::Rank(ranks) => self.rank(ranks),
            Condition::Tags(tags) => self.tag(tags),
            Condition::Language(language) => self.language(*language),
            Condition::Assignee(wanted) => self.assignee_is(wanted),
            Condition::AssigneeReason(wanted) => self.assignee_reason(wanted),
            Condition::AssigneeBackWithin(minutes) => self.assignee_back_within(*minutes),
            Condition::OpenCase(wanted) => there_is("open_case", *wanted, case.is_some()),
            Condition::ComplaintCase(wanted) => {
                there_is("complaint_case", *wanted, case.is_some_and(|case| case.complaint))
            }
            Condition::Callback(wanted) => {
                there_is("callback_promised", *wanted, open.is_some_and(|open| open.callback))
            }
            Condition::Dispatch(wanted) => {
                there_is("dispatch", *wanted, open.is_some_and(|open| open.dispatch))
            }
            Condition::Repeats(wanted) => self.repeats(*wanted),
            Condition::Free { who, at_least } => self.free(who, *at_least),
            Condition::Queue { group, at_least } => self.queue(group, *at_least),
            Condition::Tried(at_least) => {
                let tried = u32::try_from(self.facts.tried.len()).unwrap_or(u32::MAX);
                ok(tried >= *at_least, || format!("tried_at_least: {tried}"))
            }
        }
    }

    fn line(&self, lines: &[String]) -> Result<(), String> {
        let is = |wanted: &String| *wanted == self.line.number || *wanted == self.line.key;
        ok(lines.iter().any(is), || format!("line: it is {}", self.line.number))
    }

    fn line_group(&self, groups: &[String]) -> Result<(), String> {
        let group = self.line.group.as_ref();
        ok(group.is_some_and(|group| groups.contains(group)), || {
            format!("line_group: it is {}", group.map_or("none", String::as_str))
        })
    }

    fn date(&self, dates: &[(Date, Date)]) -> Result<(), String> {
        let day = self.local().date();
        let lies_in = |(from, to): &(Date, Date)| (*from..=*to).contains(&day);
        ok(dates.iter().any(lies_in), || format!("date: it is {day}"))
    }

    fn time(&self, spans: &[(Time, Time)]) -> Result<(), String> {
        let time = self.local().time();
        let holds = spans.iter().any(|span| lies_in(time, *span));
        ok(holds, || format!("time: it is {:02}:{:02}", time.hour(), time.minute()))
    }

    fn customer_id(&self, ids: &[String]) -> Result<(), String> {
        self.of_customer("customer_id", |card| {
            let is = ids.iter().any(|id| id == card.id.as_str());
            ok(is, || "customer_id: it is another customer".to_owned())
        })
    }

    fn flag(&self, wanted: &[FlagIs]) -> Result<(), String> {
        self.of_customer("flag", |card| {
            let has = wanted.iter().any(|flag| has_flag(card, flag));
            ok(has, || "flag: the customer has none of them".to_owned())
        })
    }

    /// Of somebody unknown no flag is known either.
    fn without_flag(&self, unwanted: &[FlagIs]) -> Result<(), String> {
        let has = |flag: &&FlagIs| self.card.is_some_and(|card| has_flag(card, flag));
        let found = unwanted.iter().find(has);
        found.map_or(Ok(()), |flag| Err(format!("without_flag: the customer has {}", flag.code)))
    }

    fn rank(&self, ranks: &[String]) -> Result<(), String> {
        self.of_customer("rank", |card| {
            let is = card.rank.as_ref().is_some_and(|rank| ranks.contains(rank));
            ok(is, || format!("rank: it is {}", card.rank.as_deref().unwrap_or("none")))
        })
    }

    fn tag(&self, tags: &[String]) -> Result<(), String> {
        let known = self.facts.background.open.map_or(&[][..], |open| &open.tags);
        let has = tags.iter().any(|tag| known.contains(tag));
        ok(has, || "tag: the customer has none of them".to_owned())
    }

    fn language(&self, language: Language) -> Result<(), String> {
        self.of_customer("language", |card| {
            ok(card.language == language, || format!("language: it is {}", word_of(&card.language)))
        })
    }

    fn weekday(&self, days: &[bool; 7]) -> Result<(), String> {
        let weekday = self.local().weekday();
        let index = usize::try_from(weekday.to_monday_zero_offset()).unwrap_or_default();
        ok(days.get(index).copied().unwrap_or(false), || format!("weekday: it is {weekday:?}"))
    }

    fn holiday(&self, wanted: bool) -> Result<(), String> {
        let name = self.facts.directory.calendar.holidays.name(self.local().date());
        ok(name.is_some() == wanted, || format!("holiday: it is {}", name.unwrap_or("none")))
    }

    fn number(&self) -> Result<&'a Number, &'static str> {
        match self.facts.presentation {
            Presentation::Number(number) => Ok(number),
            restricted @ (Presentation::Withheld
            | Presentation::Payphone
            | Presentation::OutOfArea
            | Presentation::ServiceConflict
            | Presentation::Error) => Err(restricted.code()),
        }
    }

    fn number_fits(&self, patterns: &[NumberPattern]) -> Result<(), String> {
        let number = self.number().map_err(|code| format!("number: the caller is {code}"))?;
        let digits = self.digits.get_or_init(|| digits_of(number));
        let fits = |pattern: &NumberPattern| match &number.e164 {
            Some(e164) if pattern.is_e164() => pattern.matches(e164),
            Some(_) | None => pattern.matches(digits),
        };
        ok(patterns.iter().any(fits), || "number: it fits no pattern".to_owned())
    }

    fn kind(&self, kinds: &[NumberKind]) -> Result<(), String> {
        let number = self.number().map_err(|code| format!("number_kind: the caller is {code}"))?;
        ok(kinds.contains(&number.kind), || format!("number_kind: it is {}", word_of(&number.kind)))
    }

    fn of_customer(
        &self,
        key: &str,
        holds: impl FnOnce(&CustomerCard) -> Result<(), String>,
    ) -> Result<(), String> {
        self.card.map_or_else(|| Err(format!("{key}: the customer is not known")), holds)
    }

    fn standing(&self) -> Option<Result<(), WhyNot>> {
        self.assignee.map(|agent| self.facts.agents.offerable(agent))
    }

    fn assignee_is(&self, wanted: &[AssigneeIs]) -> Result<(), String> {
        let is = standing_of(self.standing().as_ref());
        ok(wanted.contains(&is), || format!("assignee: {}", is.code()))
    }

    fn assignee_reason(&self, wanted: &[AbsenceReason]) -> Result<(), String> {
        let reason = reason_of(self.standing());
        ok(reason.as_ref().is_some_and(|reason| wanted.contains(reason)), || {
            format!("assignee_reason: it is {}", reason.as_ref().map_or("none", AbsenceReason::as_str))
        })
    }

    fn assignee_back_within(&self, minutes: u32) -> Result<(), String> {
        const KEY: &str = "assignee_back_within_min";
        let back = self.assignee.and_then(|agent| self.facts.agents.back_at(agent));
        let Some(back) = back else { return Err(format!("{KEY}: it is not known")) };
        let wait = back.duration_since(self.facts.at);
        if wait.is_negative() {
            return Err(format!("{KEY}: the time is over"));
        }
        let in_time = wait.as_secs() <= i64::from(minutes) * 60;
        ok(in_time, || format!("{KEY}: in {} min", wait.as_mins()))
    }

    fn repeats(&self, wanted: Frequent) -> Result<(), String> {
        let calls = calls_within(self.facts.background.history, self.facts.at, wanted.within_h);
        ok(calls >= wanted.calls, || format!("repeats: {calls} of {} in {} h", wanted.calls, wanted.within_h))
    }

    /// Zero means: nobody at all.
    fn free(&self, who: &Who, at_least: u32) -> Result<(), String> {
        let facts = self.facts;
        let is_free =
            |agent: &&Agent| !facts.tried.contains(&agent.id) && facts.agents.offerable(&agent.id).is_ok();
        let free = u32::try_from(self.pool(who).filter(is_free).count()).unwrap_or(u32::MAX);
        let holds = if at_least == 0 { free == 0 } else { free >= at_least };
        ok(holds, || format!("free: {free} in {}", pool_name(who)))
    }

    fn queue(&self, group: &str, at_least: u32) -> Result<(), String> {
        let waiting = self.facts.background.queues.and_then(|queues| queues.get(group)).copied().unwrap_or(0);
        ok(waiting >= at_least, || format!("queue: {waiting} wait for {group}"))
    }

    fn local(&self) -> DateTime {
        *self.local.get_or_init(|| match self.facts.background.zone {
            Some(zone) => zone.to_datetime(self.facts.at),
            None => jiff::tz::TimeZone::UTC.to_datetime(self.facts.at),
        })
    }
}

fn ok(holds: bool, why_not: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why_not()) }
}

fn there_is(key: &str, wanted: bool, is: bool) -> Result<(), String> {
    ok(wanted == is, || format!("{key}: there is {}", if is { "one" } else { "none" }))
}

fn customer_is(fact: &CustomerFact<'_>) -> CustomerIs {
    match fact {
        CustomerFact::NotLookedUp(_) => CustomerIs::NotLookedUp,
        CustomerFact::None => CustomerIs::Unknown,
        CustomerFact::One(_) => CustomerIs::Known,
        CustomerFact::Several(_) => CustomerIs::Several,
    }
}

/// A flag without a level has level 1.
fn has_flag(card: &CustomerCard, wanted: &FlagIs) -> bool {
    card.flags.iter().any(|flag| flag.code == wanted.code && flag.level.unwrap_or(1) >= wanted.level)
}

/// An end that is not after the start lies on the next day.
fn lies_in(time: Time, (from, to): (Time, Time)) -> bool {
    if from < to { (from..to).contains(&time) } else { time >= from || time < to }
}

fn standing_of(standing: Option<&Result<(), WhyNot>>) -> AssigneeIs {
    match standing {
        None | Some(Err(WhyNot::NoSuchAgent)) => AssigneeIs::None,
        Some(Ok(())) => AssigneeIs::Available,
        Some(Err(WhyNot::Offered | WhyNot::OnCall | WhyNot::WrapUp)) => AssigneeIs::Busy,
        Some(Err(WhyNot::Away(_))) => AssigneeIs::Away,
        Some(Err(WhyNot::Offline)) => AssigneeIs::Offline,
        Some(Err(
            WhyNot::PhoneResting
            | WhyNot::PhoneDown
            | WhyNot::ClientStale
            | WhyNot::NoScreen
            | WhyNot::NotFree,
        )) => AssigneeIs::Unreachable,
    }
}

fn reason_of(standing: Option<Result<(), WhyNot>>) -> Option<AbsenceReason> {
    match standing?.err()? {
        WhyNot::Away(reason) => Some(reason),
        WhyNot::Offered | WhyNot::OnCall | WhyNot::WrapUp => Some(AbsenceReason::OtherCase),
        WhyNot::NoSuchAgent
        | WhyNot::Offline
        | WhyNot::PhoneResting
        | WhyNot::PhoneDown
        | WhyNot::ClientStale
        | WhyNot::NoScreen
        | WhyNot::NotFree => None,
    }
}

/// A number as it is dialled at home: digits and `#` alone.
fn digits_of(number: &Number) -> String {
    number.national.chars().filter(|character| character.is_ascii_digit() || *character == '#').collect()
}

/// The word a value has on the wire.
fn word_of<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

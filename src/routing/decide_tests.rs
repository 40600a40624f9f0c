//! Every rule that decides, and every reason it does not.

use jiff::Timestamp;

use super::*;
use crate::clock::{Moment, Now};
use crate::customer::{CustomerCard, Language};
use crate::identity::Presentation;
use crate::presence::{
    Absence, AbsenceReason, AgentBook, AgentId, AgentStatus, CallId, CustomerId, OfferId, Release, Role,
    SetBy,
};

fn now(seconds: u64) -> Now {
    let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Now { moment: Moment::from_micros(seconds * 1_000_000), wall }
}

fn id(text: &str) -> AgentId {
    AgentId::new(text)
}

fn entry(text: &str, role: Role, groups: &[&str]) -> Agent {
    Agent {
        id: id(text),
        name: text.to_owned(),
        kana: None,
        role,
        contact: format!("sip:{text}@h"),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        skills: Vec::new(),
    }
}

fn card(assignee: Option<&str>) -> CustomerCard {
    CustomerCard {
        id: CustomerId::new("cu-1"),
        name: "山田 花子".to_owned(),
        kana: None,
        company: None,
        rank: None,
        language: Language::Ja,
        phones: Vec::new(),
        assignee: assignee.map(id),
        notices: Vec::new(),
        flags: Vec::new(),
        contacts: Vec::new(),
    }
}

/// A house with `a1`, `a2` and the supervisor `s1` in `sales`, `b1` in `support`; all free, idle since 4, 2,
/// 3 and 1 s.
struct House {
    agents: AgentBook,
    directory: Directory,
    line: Line,
    presentation: Presentation,
    tried: Vec<AgentId>,
}

impl House {
    fn new() -> Self {
        let line = Line {
            number: "0120-123-456".to_owned(),
            key: "+81120123456".to_owned(),
            client: "青葉製作所".to_owned(),
            greeting_ja: None,
            greeting_en: None,
            group: Some("sales".to_owned()),
            assigned_first: true,
            priority: 0,
        };
        let mut directory = Directory::default();
        for agent in [
            entry("a1", Role::Agent, &["sales"]),
            entry("a2", Role::Agent, &["support", "sales"]),
            entry("s1", Role::Supervisor, &["sales"]),
            entry("b1", Role::Agent, &["support"]),
        ] {
            directory.agents.insert(agent.id.clone(), agent);
        }
        let mut agents = AgentBook::new(false);
        agents.apply_directory(&directory, now(0));
        for (agent, since) in [("a1", 4), ("a2", 2), ("s1", 3), ("b1", 1)] {
            agents.set_status(&id(agent), AgentStatus::Available, SetBy::Manual, now(since)).unwrap();
        }
        Self { agents, directory, line, presentation: Presentation::Withheld, tried: Vec::new() }
    }

    fn away(&mut self, agent: &str, reason: AbsenceReason) {
        let status = AgentStatus::Away(Absence { reason, until: None, next_start: None });
        self.agents.set_status(&id(agent), status, SetBy::Manual, now(5)).unwrap();
    }

    fn facts<'a>(&'a self, customer: CustomerFact<'a>) -> Facts<'a> {
        Facts {
            at: now(9).wall,
            called: "0120123456",
            line: Some(&self.line),
            emergency: false,
            presentation: &self.presentation,
            customer,
            agents: (&self.agents).into(),
            directory: &self.directory,
            tried: &self.tried,
            background: Background::default(),
        }
    }

    fn decide(&self, customer: CustomerFact<'_>) -> Decision {
        decide(&self.facts(customer))
    }
}

fn offered(decision: &Decision) -> Option<(&str, OfferReason)> {
    match &decision.action {
        Action::Offer { agent, reason, .. } => Some((agent.as_str(), *reason)),
        Action::Untouched
        | Action::Wait { .. }
        | Action::DefaultRoute { .. }
        | Action::Forward { .. }
        | Action::Reject { .. }
        | Action::Park(_)
        | Action::Callback => None,
    }
}

fn why_default(decision: &Decision) -> &str {
    match &decision.action {
        Action::DefaultRoute { why } => why,
        Action::Untouched
        | Action::Wait { .. }
        | Action::Offer { .. }
        | Action::Forward { .. }
        | Action::Reject { .. }
        | Action::Park(_)
        | Action::Callback => "",
    }
}

fn step<'a>(decision: &'a Decision, rule: &str) -> &'a str {
    decision.trace.iter().find(|step| step.rule == rule).map_or("", |step| &*step.why)
}

#[test]
fn n26_an_emergency_number_passes_untouched_before_anything_is_asked() {
    let house = House::new();
    let decision = decide(&Facts { emergency: true, ..house.facts(CustomerFact::None) });
    assert_eq!(decision.action, Action::Untouched);
    assert_eq!((&*decision.rule, decision.trace.len()), ("emergency", 1));
}

#[test]
fn a_number_that_is_no_line_goes_to_the_default_route() {
    let house = House::new();
    let decision = decide(&Facts { line: None, ..house.facts(CustomerFact::None) });
    assert_eq!(why_default(&decision), "the called number is no line");
    assert_eq!(decision.rule, "not_a_line");
}

#[test]
fn m003_the_assignee_rings_first_only_where_the_line_says_so() {
    let mut house = House::new();
    let card = card(Some("b1"));
    assert_eq!(offered(&house.decide(CustomerFact::One(&card))), Some(("b1", OfferReason::Assigned)));
    house.line.assigned_first = false;
    let decision = house.decide(CustomerFact::One(&card));
    assert_eq!(offered(&decision), Some(("a2", OfferReason::Group)));
    assert_eq!(step(&decision, "assignee_first"), "the line does not ring the assignee first");
}

#[test]
fn m001_an_absent_assignee_is_never_offered_the_call() {
    for reason in [
        AbsenceReason::DayOff,
        AbsenceReason::Sick,
        AbsenceReason::Meeting,
        AbsenceReason::OtherCase,
        AbsenceReason::Break,
        AbsenceReason::LeftForDay,
        AbsenceReason::Out,
        AbsenceReason::Rona,
        AbsenceReason::Custom("custom:研修".to_owned()),
    ] {
        let mut house = House::new();
        house.away("a2", reason.clone());
        let decision = house.decide(CustomerFact::One(&card(Some("a2"))));
        assert_eq!(offered(&decision), Some(("s1", OfferReason::AssigneeAbsent)), "{reason}");
        let why = format!("a2 looks after the customer: away:{reason}");
        assert_eq!(step(&decision, "assignee_first"), why);
    }
}

#[test]
fn the_assignee_is_left_out_for_every_reason_a_person_is_not_free() {
    type Make = fn(&mut House);
    let reserve = |house: &mut House| {
        let reserved = house.agents.reserve(&id("b1"), &CallId::new("c"), &OfferId::new("o"), now(20).moment);
        assert_eq!(reserved, Ok(()));
    };
    let cases: [(&str, Make); 6] = [
        ("offline", |house| {
            house.agents.set_status(&id("b1"), AgentStatus::Offline, SetBy::Manual, now(5)).unwrap();
        }),
        ("offered", reserve),
        ("on_call", |house| _ = house.agents.on_call(&id("b1"), &CallId::new("c"))),
        ("wrap_up", |house| {
            house.agents.on_call(&id("b1"), &CallId::new("c"));
            let until = now(30);
            house.agents.call_ended(&id("b1"), &CallId::new("c"), Some((until.moment, until.wall)), now(6));
        }),
        ("phone_resting", |house| {
            house.agents.reserve(&id("b1"), &CallId::new("c"), &OfferId::new("o"), now(20).moment).unwrap();
            let release = Release::PhoneFailed { rest_until: now(36).moment };
            assert!(house.agents.release(&id("b1"), &OfferId::new("o"), release, now(6)));
        }),
        ("no_such_agent", |house| {
            house.directory.agents.remove(&id("b1"));
            house.agents.apply_directory(&house.directory, now(6));
        }),
    ];
    for (why, make) in cases {
        let mut house = House::new();
        make(&mut house);
        let decision = house.decide(CustomerFact::One(&card(Some("b1"))));
        assert_eq!(offered(&decision), Some(("a2", OfferReason::AssigneeAbsent)), "{why}");
        assert_eq!(step(&decision, "assignee_first"), format!("b1 looks after the customer: {why}"));
    }
}

#[test]
fn without_one_customer_and_an_assignee_the_group_answers() {
    let house = House::new();
    let several = [card(Some("b1")), card(Some("b1"))];
    let alone = card(None);
    for (customer, why) in [
        (CustomerFact::NotLookedUp("deadline"), "the customer is not known: deadline"),
        (CustomerFact::None, "no customer has this number"),
        (CustomerFact::Several(&several), "2 customers have this number"),
        (CustomerFact::One(&alone), "the customer has no assignee"),
    ] {
        let decision = house.decide(customer);
        assert_eq!(offered(&decision), Some(("a2", OfferReason::Group)), "{why}");
        assert_eq!(step(&decision, "assignee_first"), why);
        assert_eq!(decision.rule, "group");
    }
}

#[test]
fn after_a_miss_the_next_longest_idle_is_offered_and_nobody_twice() {
    let mut house = House::new();
    let card = card(Some("b1"));
    let mut order = Vec::new();
    while let Some((agent, reason)) = offered(&house.decide(CustomerFact::One(&card))) {
        order.push((agent.to_owned(), reason));
        house.tried.push(id(agent));
        assert!(order.len() <= 4);
    }
    let expected = [
        ("b1", OfferReason::Assigned),
        ("a2", OfferReason::NextAgent),
        ("s1", OfferReason::NextAgent),
        ("a1", OfferReason::NextAgent),
    ];
    assert_eq!(order, expected.map(|(agent, reason)| (agent.to_owned(), reason)));
    let last = house.decide(CustomerFact::One(&card));
    assert_eq!(why_default(&last), "everybody in the line's group was tried");
    assert_eq!(step(&last, "assignee_first"), "b1 was offered it before");
    assert_eq!(last.rule, "default_route");
}

#[test]
fn among_equals_the_smaller_id_is_offered() {
    let mut house = House::new();
    for agent in ["a1", "a2", "s1"] {
        house.agents.set_status(&id(agent), AgentStatus::Offline, SetBy::Manual, now(5)).unwrap();
        house.agents.set_status(&id(agent), AgentStatus::Available, SetBy::Manual, now(6)).unwrap();
    }
    assert_eq!(offered(&house.decide(CustomerFact::None)), Some(("a1", OfferReason::Group)));
}

#[test]
fn nobody_free_means_the_default_route_with_each_ones_reason() {
    let mut house = House::new();
    house.away("a1", AbsenceReason::Break);
    house.agents.on_call(&id("a2"), &CallId::new("c"));
    house.tried.push(id("s1"));
    let decision = house.decide(CustomerFact::None);
    assert_eq!(why_default(&decision), "nobody in the line's group is free");
    let why = "sales: 0 free, 1 tried, 1 away, 1 on_call (a1 away:break, a2 on_call)";
    assert_eq!(step(&decision, "group"), why);
}

#[test]
fn a_line_without_group_and_a_group_without_agents_go_to_the_default_route() {
    let mut house = House::new();
    house.away("b1", AbsenceReason::Out);
    house.line.group = None;
    let decision = house.decide(CustomerFact::One(&card(Some("b1"))));
    assert_eq!(why_default(&decision), "the line has no group");
    house.line.group = Some("nobody".to_owned());
    assert_eq!(why_default(&house.decide(CustomerFact::None)), "the line's group has no agents");
}

#[test]
fn of_a_large_group_the_first_twenty_are_named_and_all_are_counted() {
    let mut house = House::new();
    for index in 0..500 {
        let agent = entry(&format!("z{index:03}"), Role::Agent, &["large"]);
        house.directory.agents.insert(agent.id.clone(), agent);
    }
    house.agents.apply_directory(&house.directory, now(8));
    house.line.group = Some("large".to_owned());
    let decision = house.decide(CustomerFact::None);
    let why = step(&decision, "group");
    assert!(why.contains("500 offline") && why.ends_with("z019 offline and 480 more)"), "{why}");
}

#[test]
fn the_same_facts_serialise_and_decide_alike() {
    let mut house = House::new();
    house.away("a2", AbsenceReason::Meeting);
    let card = card(Some("a2"));
    let facts = house.facts(CustomerFact::One(&card));
    let once = (serde_json::to_string(&facts).unwrap(), decide(&facts));
    let again = House {
        agents: serde_json::from_str(&serde_json::to_string(&house.agents).unwrap()).unwrap(),
        ..house
    };
    let facts = again.facts(CustomerFact::One(&card));
    assert_eq!((serde_json::to_string(&facts).unwrap(), decide(&facts)), once);
    let read_back: Decision = serde_json::from_str(&serde_json::to_string(&once.1).unwrap()).unwrap();
    assert_eq!(read_back, once.1);
}

#[test]
fn a_decision_is_written_with_ids_as_text_and_explained_line_by_line() {
    let mut house = House::new();
    house.away("a2", AbsenceReason::Meeting);
    let decision = house.decide(CustomerFact::One(&card(Some("a2"))));
    assert_eq!(
        serde_json::to_value(&decision).unwrap()["action"],
        serde_json::json!({"kind": "offer", "agent": "s1", "reason": "assignee_absent"})
    );
    assert_eq!(
        explain_text(&decision),
        "decision: offer to s1 (assignee_absent)\n   \
         emergency: the called number is no emergency number\n   \
         not_a_line: 0120-123-456 is the line of 青葉製作所\n   \
         assignee_first: a2 looks after the customer: away:meeting\n\
         => group: s1 has waited longest in sales: 2 free, 0 tried, 1 away (a2 away:meeting)\n"
    );
}

/// `a1`, `a2` and `s1` are on the phone.
fn busy_house() -> House {
    let mut house = House::new();
    for agent in ["a1", "a2", "s1"] {
        house.agents.on_call(&id(agent), &CallId::new("c"));
    }
    house
}

fn waited(house: &House, customer: CustomerFact<'_>, may: MayWait) -> Decision {
    let facts = house.facts(customer);
    or_wait(&facts, may, super::decide(&facts))
}

#[test]
fn a_caller_waits_when_all_who_answer_are_only_busy() {
    let decision = waited(&busy_house(), CustomerFact::None, MayWait::Yes);
    assert_eq!(decision.action, Action::Wait { group: Some("sales".to_owned()), agent: None });
    assert_eq!((&*decision.rule, step(&decision, "wait")), ("wait", "3 of the group are busy"));
    assert_eq!(step(&decision, "default_route"), "", "one step decides");
    assert!(explain_text(&decision).starts_with("decision: wait for sales\n"));
}

#[test]
fn a_caller_waits_for_the_assignee_too_also_from_outside_the_group() {
    let mut house = busy_house();
    house.agents.on_call(&id("b1"), &CallId::new("c"));
    let known = card(Some("b1"));
    let decision = waited(&house, CustomerFact::One(&known), MayWait::Yes);
    assert_eq!(decision.action, Action::Wait { group: Some("sales".to_owned()), agent: Some(id("b1")) });
    for agent in ["a1", "a2", "s1"] {
        house.tried.push(id(agent));
    }
    let decision = waited(&house, CustomerFact::One(&known), MayWait::Yes);
    assert!(matches!(decision.action, Action::Wait { agent: Some(_), .. }), "b1 is still to be had");
}

#[test]
fn nobody_waits_for_those_who_are_away_or_were_tried() {
    let mut house = House::new();
    for agent in ["a1", "a2", "s1"] {
        house.away(agent, AbsenceReason::Break);
    }
    let decision = waited(&house, CustomerFact::None, MayWait::Yes);
    assert_eq!(why_default(&decision), "nobody in the line's group is free");
    assert_eq!(step(&decision, "wait"), "nobody who answers is only busy");
    assert_eq!(decision.rule, "default_route");
    let mut house = busy_house();
    for agent in ["a1", "a2", "s1"] {
        house.tried.push(id(agent));
    }
    assert!(matches!(waited(&house, CustomerFact::None, MayWait::Yes).action, Action::DefaultRoute { .. }));
}

#[test]
fn nobody_waits_for_one_who_will_be_away_after_the_call_or_whose_phone_failed() {
    let mut house = busy_house();
    for agent in ["a1", "a2", "s1"] {
        house.away(agent, AbsenceReason::Break);
    }
    assert_eq!(
        why_default(&waited(&house, CustomerFact::None, MayWait::Yes)),
        "nobody in the line's group is free"
    );
    let mut house = House::new();
    for agent in ["a1", "a2", "s1"] {
        house.agents.rest_phone(&id(agent), Some(now(60).moment));
    }
    let decision = waited(&house, CustomerFact::None, MayWait::Yes);
    assert_eq!(step(&decision, "wait"), "nobody who answers is only busy");
}

#[test]
fn whoever_may_not_wait_goes_to_the_default_route_with_the_reason() {
    let decision = waited(&busy_house(), CustomerFact::None, MayWait::No("the lot is full"));
    assert_eq!(why_default(&decision), "nobody in the line's group is free");
    assert_eq!(step(&decision, "wait"), "the lot is full");
    let silent = waited(&busy_house(), CustomerFact::None, MayWait::Never);
    assert_eq!(step(&silent, "wait"), "", "a house without a lot says nothing of it");
}

#[test]
fn i25_an_emergency_call_never_waits() {
    let house = busy_house();
    let facts = Facts { emergency: true, ..house.facts(CustomerFact::None) };
    assert_eq!(or_wait(&facts, MayWait::Yes, super::decide(&facts)).action, Action::Untouched);
}

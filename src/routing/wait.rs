//! Instead of the default route: to wait, when those who answer are at work and only busy.

use super::decision::{Action, Decision, TraceStep};
use super::members::Barred;
use super::{Facts, assignee_of};
use crate::presence::{AgentId, WhyNot};

/// Whether this caller can be kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayWait {
    /// The house keeps nobody waiting; nothing is said about it.
    Never,
    /// Not this caller, or not now, for this reason.
    No(&'static str),
    /// Yes.
    Yes,
}

/// The decision, or, where it is the default route only because everybody who answers is busy, to wait for
/// one of them. Whoever was offered the call before is not waited for, nor is anybody who is away.
pub fn or_wait(facts: &Facts<'_>, may: MayWait, mut decision: Decision) -> Decision {
    let (Action::DefaultRoute { .. }, Some(line)) = (&decision.action, facts.line) else { return decision };
    if facts.emergency || may == MayWait::Never {
        return decision;
    }
    // Whom a rule or a complaint keeps from the caller is not waited for either (M005, M077, M078).
    let barred = Barred::of(facts, &decision.extras.excluded);
    let busy = |agent: &AgentId| {
        let role = facts.directory.agents.get(agent).map(|agent| agent.role);
        barred.why(agent, role).is_none()
            && matches!(facts.agents.offerable(agent), Err(why) if is_busy(&why))
            && facts.agents.is_at_work(agent)
    };
    let assigned = line.assigned_first && !decision.extras.protected;
    let card = facts.customer.card().filter(|_| assigned);
    let assignee = assignee_of(&facts.directory.rules.assignee_order, card, facts.background.open);
    let assignee = assignee.map(|(agent, _)| agent).filter(|agent| busy(agent));
    let members = facts.directory.agents.values().filter(|agent| {
        line.group.as_ref().is_some_and(|group| agent.groups.contains(group)) && busy(&agent.id)
    });
    let members = members.count();
    let (matched, why) = match (may, members, assignee) {
        (_, 0, None) => (false, "nobody who answers is only busy".to_owned()),
        (MayWait::No(why), ..) => (false, why.to_owned()),
        (MayWait::Yes | MayWait::Never, _, Some(agent)) => {
            (true, format!("{agent}, who looks after the customer, is busy, and {members} of the group"))
        }
        (MayWait::Yes | MayWait::Never, _, None) => (true, format!("{members} of the group are busy")),
    };
    let step = TraceStep { rule: "wait".into(), matched, why: why.into() };
    if !matched {
        let last = decision.trace.len().saturating_sub(1);
        decision.trace.insert(last, step);
        return decision;
    }
    // It stands in the place of the step that said "default route".
    decision.trace.pop();
    decision.trace.push(step);
    decision.rule = "wait".into();
    decision.action = Action::Wait { group: line.group.clone(), agent: assignee.cloned() };
    decision
}

/// Whether somebody will be free again without anybody's doing: a call ends. A phone that failed may fail
/// again, and nobody is kept waiting for it.
const fn is_busy(why: &WhyNot) -> bool {
    match why {
        WhyNot::Offered | WhyNot::OnCall | WhyNot::WrapUp => true,
        WhyNot::PhoneResting
        | WhyNot::PhoneDown
        | WhyNot::ClientStale
        | WhyNot::NoSuchAgent
        | WhyNot::Offline
        | WhyNot::Away(_)
        | WhyNot::NoScreen
        | WhyNot::NotFree => false,
    }
}

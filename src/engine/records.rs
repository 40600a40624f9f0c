//! The record of a call, as it stands.

use std::sync::Arc;

use super::call::{Call, CustomerState};
use super::passing::end_of_talk;
use crate::clock::Now;
use crate::events::{CallRecord, EndReason, Trace};
use crate::identity::Presentation;

/// The record; with `end` when the call is over.
pub(super) fn record_of(call: &Call, end: Option<(EndReason, Now)>) -> CallRecord {
    let conversation = call.conversation();
    let passed = call.passed.as_deref();
    // Also of a call whose handler has hung up, while nobody else had it.
    let answered = conversation
        .map(|conversation| (conversation.answered, conversation.answered_at))
        .or_else(|| passed.and_then(|passed| passed.first));
    let talk_s = match (answered, end) {
        (Some((answered, _)), Some((_, now))) => end_of_talk(call, now).since(answered).as_secs(),
        _ => 0,
    };
    let agent = conversation.and_then(|conversation| conversation.agent.clone());
    let calling = match &call.caller.presentation {
        Presentation::Number(number) => number.e164.clone().or_else(|| Some(number.national.clone())),
        Presentation::Withheld
        | Presentation::Payphone
        | Presentation::OutOfArea
        | Presentation::ServiceConflict
        | Presentation::Error => None,
    };
    let customer = match &call.customer {
        CustomerState::Found { .. } => call.customer.card().map(|card| card.id.clone()),
        CustomerState::NotAsked | CustomerState::Waiting | CustomerState::Failed(_) => None,
    };
    CallRecord {
        id: call.id.clone(),
        sip_call_id: call.sip_call_id.clone(),
        presentation: call.caller.presentation.code().to_owned(),
        calling,
        called: call.called.clone(),
        line: call.line.as_ref().map(|line| line.number.clone()),
        client: call.line.as_ref().map(|line| line.client.clone()),
        customer,
        agent: agent.or_else(|| passed.and_then(|passed| passed.handled_by.last().cloned())),
        offered_to: call.offers.iter().map(|(_, agent)| agent.clone()).collect(),
        started_at: call.began_at,
        answered_at: answered.map(|(_, at)| at),
        ended_at: end.map(|(_, now)| now.wall),
        end_reason: end.map(|(reason, _)| reason),
        status: call.status,
        talk_s,
        parked: call.parked,
        transfer_count: call.transfer_count(),
        handled_by: passed.filter(|it| it.count > 0).map_or_else(Vec::new, |it| it.handled_by.clone()),
        callback: call.noted.as_ref().map(|noted| noted.id.clone()),
        traces: call.decisions.iter().map(|decision| Trace::Made(Arc::clone(decision))).collect(),
        facts: call.facts.clone(),
    }
}

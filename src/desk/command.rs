//! Commands: what a frame asks for, checked for form and rights before anything else hears of it.

use serde_json::{Value, json};

use crate::api::{Session, read_status, rights};
use crate::engine::{Answer, ErrorCode, Refusal, Request};
use crate::events::wire::{ClientFrame, to_value};
use crate::presence::{AgentId, CallId, CustomerId};

/// The longest command id, decline reason or other short text.
const SHORT: usize = 128;

/// What a command leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The engine is asked.
    Ask(Request),
    /// This socket becomes the lead.
    TakeLead,
    /// The session gets a new end.
    Renew,
}

/// Whether a command's id can be its idempotency key.
pub(super) fn good_id(id: &str) -> bool {
    (1..=SHORT).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Reads a command.
///
/// # Errors
/// `validation` when its form is wrong, `forbidden` when the user may not.
pub(super) fn action(frame: &ClientFrame, session: &Session) -> Result<Action, Refusal> {
    if frame.data.as_ref().is_some_and(|data| !data.is_object()) {
        return Err(validation("data は object です", "data is an object"));
    }
    match frame.name.as_deref().unwrap_or_default() {
        "pop.claim" => {
            let (agent, call, rev) = about_call(frame, session)?;
            Ok(Action::Ask(Request::ClaimPop { agent, call, rev }))
        }
        "pop.take" => {
            let (agent, call, rev) = about_call(frame, session)?;
            Ok(Action::Ask(Request::TakePop { agent, call, rev }))
        }
        "pop.decline" => {
            let (agent, call, rev) = about_call(frame, session)?;
            let reason = short(frame, "reason")?.unwrap_or("unspecified").to_owned();
            Ok(Action::Ask(Request::DeclinePop { agent, call, rev, reason }))
        }
        "pop.choose" => {
            let (agent, call, rev) = about_call(frame, session)?;
            let customer = CustomerId::new(required(frame, "customer")?);
            Ok(Action::Ask(Request::ChooseCustomer { agent, call, rev, customer }))
        }
        "notice.ack" => {
            let (agent, call, _rev) = about_call(frame, session)?;
            let notice = short(frame, "id")?.or(short(frame, "notice")?);
            let notice = notice.ok_or_else(|| missing("id"))?.to_owned();
            Ok(Action::Ask(Request::AcknowledgeNotice { agent, call, notice }))
        }
        "wrapup.finish" => {
            let (agent, call, _rev) = about_call(frame, session)?;
            Ok(Action::Ask(Request::FinishWrapUp { agent, call }))
        }
        "presence.set" => set_presence(frame, session).map(Action::Ask),
        "lead.take" => Ok(Action::TakeLead),
        "auth.renew" => Ok(Action::Renew),
        _unknown => Err(validation("不明なコマンドです", "Unknown command")),
    }
}

/// `data` of a granted command's reply.
pub(super) fn answer_data(answer: &Answer) -> Value {
    match answer {
        Answer::Done { rev: Some(rev) } => json!({"rev": rev}),
        Answer::Done { rev: None } | Answer::Presences(_) | Answer::Calls(_) => json!({}),
        Answer::Presence(document) => json!({"presence": to_value(document)}),
    }
}

/// A malformed command.
pub(super) fn validation(ja: &str, en: &str) -> Refusal {
    Refusal::of(ErrorCode::Validation, ja, en)
}

fn set_presence(frame: &ClientFrame, session: &Session) -> Result<Request, Refusal> {
    let own = session.agent.clone();
    let agent = match short(frame, "agent")? {
        Some(other) => AgentId::new(other),
        None => own.clone().ok_or_else(rights::forbidden)?,
    };
    let by = rights::may_set_presence(session.role, own.as_ref(), &agent)?;
    if frame.data.as_ref().and_then(|data| data.get("next")).is_some_and(|next| *next != json!(false)) {
        return Err(validation("next はまだ使えません", "Queueing a state during a call is not available yet"));
    }
    let state = required(frame, "state")?;
    let (until, next_start) = (short(frame, "until")?, short(frame, "next_start")?);
    let status = read_status(state, short(frame, "reason")?, until, next_start)
        .map_err(|fault| validation(fault.ja(), fault.en()))?;
    Ok(Request::SetPresence { agent, status, by, user: session.user.clone() })
}

/// The asking agent, the call and the revision, all of which a command about a call needs.
fn about_call(frame: &ClientFrame, session: &Session) -> Result<(AgentId, CallId, u32), Refusal> {
    let agent = session.agent.clone().ok_or_else(rights::forbidden)?;
    let call = frame.call.as_deref().filter(|call| (1..=SHORT).contains(&call.len()));
    let call = call.ok_or_else(|| missing("call"))?;
    let rev = frame.rev.ok_or_else(|| missing("rev"))?;
    Ok((agent, CallId::new(call), rev))
}

fn required<'a>(frame: &'a ClientFrame, member: &str) -> Result<&'a str, Refusal> {
    short(frame, member)?.ok_or_else(|| missing(member))
}

/// A short text without control characters (N63); absent and `null` are the same.
fn short<'a>(frame: &'a ClientFrame, member: &str) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = frame.data.as_ref().and_then(|data| data.get(member)) else { return Ok(None) };
    match value {
        Value::Null => Ok(None),
        Value::String(text)
            if (1..=SHORT).contains(&text.chars().count()) && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text))
        }
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(validation(&format!("{member} が正しくありません"), &format!("{member} is not usable")))
        }
    }
}

fn missing(member: &str) -> Refusal {
    validation(&format!("{member} が必要です"), &format!("{member} is required"))
}

//! Commands: what a frame asks for, checked for form and rights before anything else hears of it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::limits::FRAME_BYTES;
use super::line;
use crate::api::{Session, read_status, rights};
use crate::callback::{CallbackId, Step};
use crate::engine::{Answer, CallbackChange, ErrorCode, Refusal, Request, TransferWish};
use crate::events::wire::{self, ClientFrame, to_value};
use crate::presence::{AgentId, CallId, CustomerId};
use crate::storage::UserRole;

/// The longest command id, decline reason or other short text.
const SHORT: usize = 128;

/// The longest note for the receiver of a call.
const NOTE: usize = 2000;

/// What a command leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The engine is asked.
    Ask(Request),
    /// This status is set once the agent's call and its wrap-up are over.
    SetNext(AgentId, Request),
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
        "call.park" => {
            let (agent, call, rev) = about_call(frame, session)?;
            Ok(Action::Ask(Request::ParkCall { agent, call, rev }))
        }
        "call.retrieve" => {
            let (agent, call) = about_waiting(frame, session)?;
            Ok(Action::Ask(Request::RetrieveCall { agent, call }))
        }
        "call.transfer" => {
            let (agent, call, rev) = about_call(frame, session)?;
            Ok(Action::Ask(Request::TransferCall { agent, call, rev, wish: transfer_wish(frame)? }))
        }
        "approval.grant" => grant(frame, session),
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
        "callback.finish" => finish_callback(frame, session),
        "presence.set" => set_presence(frame, session),
        "lead.take" => Ok(Action::TakeLead),
        "auth.renew" => Ok(Action::Renew),
        _unknown => Err(validation("不明なコマンドです", "Unknown command")),
    }
}

/// The reply to a text frame that is a command which needs the engine, as far as form and rights decide it:
/// the request, or the octets of the refusal; `None` for any other frame. A socket does the same step by
/// step; this is for checks that have none.
pub fn judge_text(text: &str, role: UserRole, agent: Option<AgentId>) -> Option<Result<Request, Bytes>> {
    let frame = line::parse(text, FRAME_BYTES).ok().filter(|frame| frame.kind == "command")?;
    let id = frame.id.as_deref().filter(|id| good_id(id))?;
    let session = Session::detached("nobody", agent, role);
    match action(&frame, &session) {
        Ok(Action::Ask(request) | Action::SetNext(_, request)) => Some(Ok(request)),
        Ok(Action::TakeLead | Action::Renew) => None,
        Err(refusal) => Some(Err(wire::reply_refused(id, &refusal))),
    }
}

/// `data` of a granted command's reply.
pub(super) fn answer_data(answer: &Answer) -> Value {
    match answer {
        Answer::Done { rev: Some(rev) } => json!({"rev": rev}),
        Answer::Passing { rev, means } => json!({"rev": rev, "means": means}),
        Answer::Done { rev: None } | Answer::Presences(_) | Answer::Calls(_) | Answer::Callbacks(_) => {
            json!({})
        }
        Answer::Presence(document) => json!({"presence": to_value(document)}),
    }
}

/// A malformed command.
pub(super) fn validation(ja: &str, en: &str) -> Refusal {
    Refusal::of(ErrorCode::Validation, ja, en)
}

/// To whom a call is passed on, and how.
fn transfer_wish(frame: &ClientFrame) -> Result<TransferWish, Refusal> {
    let to = required(frame, "to")?.to_owned();
    let consult = match short(frame, "mode")? {
        None | Some("blind") => false,
        Some("consult") => true,
        Some(_) => return Err(validation("mode は consult か blind です", "mode is consult or blind")),
    };
    let note = match frame.data.as_ref().and_then(|data| data.get("note")) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.chars().count() <= NOTE => {
            let clean = |letter: &char| !letter.is_control() || *letter == '\n';
            Some(text.chars().filter(clean).collect()).filter(|note: &String| !note.is_empty())
        }
        Some(_) => {
            let en = format!("note is a text of at most {NOTE} characters");
            return Err(validation(&format!("note は{NOTE}文字までです"), &en));
        }
    };
    Ok(TransferWish { to, consult, note })
}

/// What a supervisor allows: so far, one more transfer of a call.
fn grant(frame: &ClientFrame, session: &Session) -> Result<Action, Refusal> {
    if !rights::sees_all(session.role) {
        return Err(rights::forbidden());
    }
    let call = frame.call.as_deref().filter(|call| (1..=SHORT).contains(&call.len()));
    let call = CallId::new(call.ok_or_else(|| missing("call"))?);
    match required(frame, "what")? {
        "transfer" => Ok(Action::Ask(Request::GrantTransfer { call, user: session.user.clone() })),
        _unknown => Err(validation("what は transfer です", "what is transfer")),
    }
}

/// `callback.finish{id, outcome?}`: `done`, `failed` or `cancelled`; supervisors finish anybody's.
fn finish_callback(frame: &ClientFrame, session: &Session) -> Result<Action, Refusal> {
    let id = CallbackId::new(required(frame, "id")?);
    let step = match short(frame, "outcome")?.unwrap_or("done") {
        "done" => Step::Finish,
        "failed" => Step::Fail,
        "cancelled" => Step::Cancel,
        _other => {
            let (ja, en) = ("outcome が正しくありません", "outcome is done, failed or cancelled");
            return Err(validation(ja, en));
        }
    };
    let of = match (rights::sees_all(session.role), &session.agent) {
        (true, _) => None,
        (false, Some(agent)) => Some(agent.clone()),
        (false, None) => return Err(rights::forbidden()),
    };
    let change = CallbackChange::Step(step);
    Ok(Action::Ask(Request::ChangeCallback { id, change, of, user: session.user.clone() }))
}

fn set_presence(frame: &ClientFrame, session: &Session) -> Result<Action, Refusal> {
    let own = session.agent.clone();
    let agent = match short(frame, "agent")? {
        Some(other) => AgentId::new(other),
        None => own.clone().ok_or_else(rights::forbidden)?,
    };
    let by = rights::may_set_presence(session.role, own.as_ref(), &agent)?;
    let next = match frame.data.as_ref().and_then(|data| data.get("next")) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(validation("next は true か false です", "next is true or false"));
        }
    };
    let state = required(frame, "state")?;
    let (until, next_start) = (short(frame, "until")?, short(frame, "next_start")?);
    let status = read_status(state, short(frame, "reason")?, until, next_start)
        .map_err(|fault| validation(fault.ja(), fault.en()))?;
    let request = Request::SetPresence { agent: agent.clone(), status, by, user: session.user.clone() };
    Ok(if next { Action::SetNext(agent, request) } else { Action::Ask(request) })
}

/// The asking agent, the call and the revision, all of which a command about a card needs.
fn about_call(frame: &ClientFrame, session: &Session) -> Result<(AgentId, CallId, u32), Refusal> {
    let (agent, call) = about_waiting(frame, session)?;
    let rev = frame.rev.ok_or_else(|| missing("rev"))?;
    Ok((agent, call, rev))
}

/// The asking agent and the call. A caller who waits is nobody's card yet and has no revision.
fn about_waiting(frame: &ClientFrame, session: &Session) -> Result<(AgentId, CallId), Refusal> {
    let agent = session.agent.clone().ok_or_else(rights::forbidden)?;
    let call = frame.call.as_deref().filter(|call| (1..=SHORT).contains(&call.len()));
    let call = call.ok_or_else(|| missing("call"))?;
    Ok((agent, CallId::new(call)))
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

//! Who may do what. Default deny: a right that is not written here does not exist.
//!
//! Roles build on each other from agent over supervisor to manager; an administrator runs the system and may
//! set presence and read everything, but takes no calls unless the user also has an agent.

use crate::callback::Callback;
use crate::engine::{CallbackChange, ErrorCode, Refusal};
use crate::events::{Audience, CallRecord};
use crate::presence::{AgentId, SetBy};
use crate::routing::Directory;
use crate::storage::UserRole;

/// The board of this node.
const BOARD: &str = "main";

/// The words of `roles`, a role's own word last.
pub fn role_words(role: UserRole) -> &'static [&'static str] {
    match role {
        UserRole::Agent => &["agent"],
        UserRole::Supervisor => &["agent", "supervisor"],
        UserRole::Manager => &["agent", "supervisor", "manager"],
        UserRole::Admin => &["admin"],
    }
}

/// The streams a user gets: an agent's own, a supervisor's groups and the board, an administrator's.
pub fn streams(role: UserRole, agent: Option<&AgentId>, directory: &Directory) -> Vec<Audience> {
    let mut streams: Vec<Audience> = agent.cloned().map(Audience::Agent).into_iter().collect();
    match role {
        UserRole::Agent => {}
        UserRole::Supervisor | UserRole::Manager => {
            if let Some(known) = agent.and_then(|agent| directory.agents.get(agent)) {
                let mut groups = known.groups.clone();
                groups.sort();
                groups.dedup();
                streams.extend(groups.into_iter().map(Audience::Team));
            }
            streams.push(Audience::Board(BOARD.to_owned()));
        }
        UserRole::Admin => streams.push(Audience::Admin),
    }
    streams
}

/// With what priority the user may set that agent's presence: everybody their own, supervisors and above
/// anybody's.
///
/// # Errors
/// `forbidden` for a plain agent and somebody else.
pub fn may_set_presence(role: UserRole, own: Option<&AgentId>, whose: &AgentId) -> Result<SetBy, Refusal> {
    if own == Some(whose) {
        return Ok(SetBy::Manual);
    }
    if sees_all(role) { Ok(SetBy::Supervisor) } else { Err(forbidden()) }
}

/// Whether the user may see a call. Plain agents see those they were offered, and those that nobody was
/// offered: nobody's call may be explained to everybody.
pub fn may_see_call(role: UserRole, agent: Option<&AgentId>, call: &CallRecord) -> bool {
    sees_all(role)
        || (call.agent.is_none() && call.offered_to.is_empty())
        || agent.is_some_and(|own| call.agent.as_ref() == Some(own) || call.offered_to.contains(own))
}

/// Whether the user sees and sets what is others'.
pub fn sees_all(role: UserRole) -> bool {
    match role {
        UserRole::Agent => false,
        UserRole::Supervisor | UserRole::Manager | UserRole::Admin => true,
    }
}

/// Whether the user sees a callback and works on it: their own, or, for supervisors and above, anybody's.
pub fn may_work_on(role: UserRole, agent: Option<&AgentId>, callback: &Callback) -> bool {
    sees_all(role) || (agent.is_some() && callback.person.as_ref() == agent)
}

/// Whether the user may make this change. A time is promised by who is to call, or by a manager; who is to
/// call is said by a supervisor.
///
/// # Errors
/// `forbidden`.
pub fn may_change_callback(
    role: UserRole,
    agent: Option<&AgentId>,
    callback: &Callback,
    change: &CallbackChange,
) -> Result<(), Refusal> {
    let owner = agent.is_some() && callback.person.as_ref() == agent;
    let may = match change {
        CallbackChange::Assign(_) => sees_all(role),
        CallbackChange::Promise(_) => owner || matches!(role, UserRole::Manager | UserRole::Admin),
        CallbackChange::Step(_) => may_work_on(role, agent, callback),
    };
    if may { Ok(()) } else { Err(forbidden()) }
}

/// Whether the user may read, save, try and put in force the house's rules.
///
/// # Errors
/// `forbidden` for everybody but administrators: rules say where every call goes.
pub fn may_edit_rules(role: UserRole) -> Result<(), Refusal> {
    match role {
        UserRole::Admin => Ok(()),
        UserRole::Agent | UserRole::Supervisor | UserRole::Manager => Err(forbidden()),
    }
}

/// The refusal for what the user may not do.
pub fn forbidden() -> Refusal {
    Refusal::of(ErrorCode::Forbidden, "権限がありません", "You may not do this")
}

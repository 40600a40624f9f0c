//! [pure] Agents as people: what they chose (status) and what the system sees (state).

mod ids;
mod status;

pub use ids::{AgentId, CallId, CustomerId, OfferId};
pub use status::{Absence, AbsenceReason, AgentState, AgentStatus, PresenceDocument, Role, SetBy};

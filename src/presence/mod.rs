//! [pure] Agents as people: what they chose (status) and what the system sees (state).

mod book;
mod ids;
mod person;
mod status;
mod words;

#[cfg(test)]
mod book_tests;

pub use book::{AgentBook, NotFree, Release, StatusRefusal};
pub use ids::{AgentId, CallId, CustomerId, OfferId};
pub use person::WhyNot;
pub use status::{
    Absence, AbsenceReason, AgentState, AgentStatus, PresenceDocument, Role, SetBy, StoredStatus,
};
pub use words::{UnknownReason, UnknownStatus};

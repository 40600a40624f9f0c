//! [pure] Agents as people: what they chose (status) and what the system sees (state).

mod book;
mod holiday;
mod ids;
mod overlay;
mod person;
mod shift;
mod status;
mod words;

#[cfg(test)]
mod book_tests;

pub use book::{AgentBook, NotFree, Release, StatusRefusal};
pub use holiday::{HolidayFault, Holidays};
pub use ids::{AgentId, CallId, CustomerId, OfferId};
pub use overlay::{Overlay, OverlaySince, StaleCause};
pub use person::WhyNot;
pub use shift::{Calendar, Hours, Part, Plan, Standing};
pub use status::{
    Absence, AbsenceReason, AgentState, AgentStatus, PresenceDocument, Role, SetBy, StoredStatus,
};
pub use words::{UnknownReason, UnknownStatus};

//! [pure] The parking lot: who waits for whom, for how long and in what way; who is next when somebody is
//! free.

mod lot;
mod pace;
mod profile;
mod waiter;

#[cfg(test)]
mod lot_tests;

pub use lot::{Due, Lot, NoPlace, Parked};
pub use pace::Pace;
pub use profile::{AtLimit, ParkMode, Profile, Stage};
pub use waiter::{
    ASSIGNED_HEAD_START, Arrival, MAX_HEAD_START, Place, REFRESH, TOP_PRIORITY, Ticket, Waiter, Wish,
};

//! [io] The database: one file per aggregate, and the only room with SQL.
//!
//! Every statement is constant text; what comes from outside reaches the database as bound values only (N71).
//! Look-ups have read-only connections of their own, so that a blocked writer never blocks a call; every
//! answer is bounded in time, and the room recovers by itself when the database comes back.

mod audit;
mod call;
mod callback;
mod customer;
mod database;
mod directory;
mod error;
pub mod import;
mod page;
mod precedence;
mod presence;
mod rules;
mod shift;
mod user;
mod words;

pub use audit::AuditRow;
pub use call::CallFilter;
pub use callback::CallbackFilter;
pub use database::{Storage, StorageSettings};
pub use error::StorageError;
pub use page::{PAGE_LIMIT, Page};
pub use precedence::give_way_here;
pub use presence::StoredPresence;
pub use rules::{CallBefore, RecordedDecision, RuleVersion};
pub use user::{NewUser, StoredSession, User, UserRole, hash_password, verify_password};

#[cfg(test)]
mod tests;

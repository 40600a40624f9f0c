//! What the API and the desk ask of the database: a boundary, so that tests need none.

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::callback::{Callback, CallbackId};
use crate::customer::{Contact, CustomerCard};
use crate::events::CallRecord;
use crate::presence::{CallId, CustomerId};
use crate::storage::{
    CallFilter, CallbackFilter, Page, RecordedDecision, RuleVersion, Storage, StorageError, StoredSession,
    User,
};

/// An answer that takes a while.
pub type Answering<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// The database as seen from here. [`Storage`] is the real one; its documentation says what each call does.
#[expect(missing_docs, reason = "named and documented in storage/")]
pub trait Store: Send + Sync + 'static {
    fn user<'a>(&'a self, name: &'a str) -> Answering<'a, Option<User>>;
    fn session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, Option<StoredSession>>;
    fn save_session<'a>(&'a self, session: &'a StoredSession) -> Answering<'a, ()>;
    fn delete_session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, ()>;
    fn lookup<'a>(&'a self, e164: &'a str) -> Answering<'a, Vec<CustomerCard>>;
    fn customer<'a>(&'a self, id: &'a CustomerId) -> Answering<'a, Option<CustomerCard>>;
    fn contacts<'a>(
        &'a self,
        id: &'a CustomerId,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<Contact>>;
    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<CallRecord>>;
    fn call<'a>(&'a self, id: &'a CallId) -> Answering<'a, Option<CallRecord>>;
    fn ended_callbacks<'a>(
        &'a self,
        filter: &'a CallbackFilter,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<Callback>>;
    fn callback<'a>(&'a self, id: &'a CallbackId) -> Answering<'a, Option<Callback>>;
    fn rule_versions(&self) -> Answering<'_, Vec<RuleVersion>>;
    fn rules(&self, version: i64) -> Answering<'_, Option<(RuleVersion, String)>>;
    fn save_rules<'a>(
        &'a self,
        body: &'a str,
        note: &'a str,
        user: &'a str,
        at: Timestamp,
    ) -> Answering<'a, i64>;
    fn activate_rules<'a>(&'a self, version: Option<i64>, user: &'a str, at: Timestamp) -> Answering<'a, ()>;
    fn recorded_decisions(&self, limit: usize) -> Answering<'_, Vec<RecordedDecision>>;
}

impl Store for Storage {
    fn user<'a>(&'a self, name: &'a str) -> Answering<'a, Option<User>> {
        Box::pin(self.user(name))
    }

    fn session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, Option<StoredSession>> {
        Box::pin(self.session(token_hash))
    }

    fn save_session<'a>(&'a self, session: &'a StoredSession) -> Answering<'a, ()> {
        Box::pin(self.save_session(session))
    }

    fn delete_session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, ()> {
        Box::pin(self.delete_session(token_hash))
    }

    fn lookup<'a>(&'a self, e164: &'a str) -> Answering<'a, Vec<CustomerCard>> {
        Box::pin(self.lookup(e164))
    }

    fn customer<'a>(&'a self, id: &'a CustomerId) -> Answering<'a, Option<CustomerCard>> {
        Box::pin(self.customer(id))
    }

    fn contacts<'a>(
        &'a self,
        id: &'a CustomerId,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<Contact>> {
        Box::pin(self.contacts(id, cursor, limit))
    }

    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<CallRecord>> {
        Box::pin(self.calls(filter, cursor, limit))
    }

    fn call<'a>(&'a self, id: &'a CallId) -> Answering<'a, Option<CallRecord>> {
        Box::pin(self.call(id))
    }

    fn ended_callbacks<'a>(
        &'a self,
        filter: &'a CallbackFilter,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<Callback>> {
        Box::pin(self.ended_callbacks(filter, cursor, limit))
    }

    fn callback<'a>(&'a self, id: &'a CallbackId) -> Answering<'a, Option<Callback>> {
        Box::pin(self.callback(id))
    }

    fn rule_versions(&self) -> Answering<'_, Vec<RuleVersion>> {
        Box::pin(self.rule_versions())
    }

    fn rules(&self, version: i64) -> Answering<'_, Option<(RuleVersion, String)>> {
        Box::pin(self.rules(version))
    }

    fn save_rules<'a>(
        &'a self,
        body: &'a str,
        note: &'a str,
        user: &'a str,
        at: Timestamp,
    ) -> Answering<'a, i64> {
        Box::pin(self.save_rules(body, note, user, at))
    }

    fn activate_rules<'a>(&'a self, version: Option<i64>, user: &'a str, at: Timestamp) -> Answering<'a, ()> {
        Box::pin(self.activate_rules(version, user, at))
    }

    fn recorded_decisions(&self, limit: usize) -> Answering<'_, Vec<RecordedDecision>> {
        Box::pin(self.recorded_decisions(limit))
    }
}

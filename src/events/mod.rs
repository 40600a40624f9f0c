//! [pure] Call events and their wire form, streams, sequence, replay.

mod event;
mod pop;
mod record;

pub use event::{Audience, Event, EventBody, WithdrawCause};
pub use pop::{
    AssigneeInfo, CallerInfo, Candidate, CustomerInfo, DialledInfo, FlagInfo, MatchInfo, MatchLevel,
    NoticeInfo, OfferInfo, OpenItems, PopDocument, Sources, TransferInfo,
};
pub use record::{CallRecord, EndReason};

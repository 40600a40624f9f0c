//! [pure] Call events and their wire form, streams, sequence, replay.

mod callback;
mod event;
mod fold;
mod hub;
mod identifier;
mod pop;
mod record;
mod stream;
mod view;
pub mod wire;

pub use callback::{callback_in_short, callback_value};
pub use event::{Audience, Event, EventBody, ParkEnd, ParkedFor, ParkedInfo, TransferNews, WithdrawCause};
pub use fold::fold;
pub use hub::{Attached, Hub, HubSettings};
pub use identifier::ulid;
pub use pop::{
    AssigneeInfo, CallerInfo, Candidate, CustomerInfo, DialledInfo, FlagInfo, MatchInfo, MatchLevel,
    NoticeInfo, OfferInfo, OpenItems, PopDocument, Sources, TransferInfo,
};
pub use record::{CallRecord, EndReason, Trace, Waited};
pub use stream::{Frame, Position, Role as FrameRole};
pub use view::{LivePop, PopState};

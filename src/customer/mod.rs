//! [pure] The customer's card: who they are, who looks after them, what must not be overlooked.

mod book;
mod card;
mod flag;
mod fold;
mod matching;
mod packed;
mod person;
mod roman;

pub use book::{BookMaker, CustomerBook};
pub use card::{
    Contact, CustomerCard, Direction, Flag, Language, LookupAnswer, LookupFault, Notice, NoticeLevel,
};
pub use flag::{ComplaintLevel, FlagFault, UnknownLanguage, complaint_level, parse_flags};
pub use fold::fold_name;
pub use matching::{MAX_CANDIDATES, Match, match_cards};
pub use person::{family_name, with_honorific};
pub use roman::romanise;

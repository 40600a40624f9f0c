//! [pure] The customer's card: who they are, who looks after them, what must not be overlooked.

mod card;

pub use card::{
    Contact, CustomerCard, Direction, Flag, Language, LookupAnswer, LookupFault, Notice, NoticeLevel,
};

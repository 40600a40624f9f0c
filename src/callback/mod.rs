//! [pure] Callbacks: who is to be called back, by whom, since when, and how far that has come.

mod book;
mod machine;
mod ticket;

pub use book::{Book, NotKept};
pub use machine::{ATTEMPTS, CallbackState, Refused, Step};
pub use ticket::{Callback, CallbackId, Source, Window, WindowFault};

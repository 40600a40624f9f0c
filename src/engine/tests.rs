//! The engine from outside: messages in, messages and events out, by a clock that the test turns.

mod answering;
mod dialogs;
mod digest;
mod lookups;
mod offers;
mod overload;
mod people;
mod saved;
mod strangers;
mod world;

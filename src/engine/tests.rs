//! The engine from outside: messages in, messages and events out, by a clock that the test turns.

mod answering;
mod dialogs;
mod lookups;
mod offers;
mod people;
mod saved;
mod shifts;
mod strangers;
mod world;

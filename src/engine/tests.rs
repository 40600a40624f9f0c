//! The engine from outside: messages in, messages and events out, by a clock that the test turns.

mod answering;
mod dialogs;
mod hops;
mod large;
mod lookups;
mod offers;
mod people;
mod phones;
mod saved;
mod strangers;
mod world;

//! The engine from outside: messages in, messages and events out, by a clock that the test turns.

mod anchored;
mod answering;
mod dialogs;
mod features;
mod holding;
mod hops;
mod identity;
mod large;
mod listening;
mod digest;
mod lookups;
mod offers;
mod overload;
mod parking;
mod people;
mod phones;
mod record_route;
mod redirects;
mod responses;
mod rules;
mod saved;
mod shifts;
mod strangers;
mod transfers;
mod validation;
mod world;

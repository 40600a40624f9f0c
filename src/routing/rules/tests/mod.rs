//! A house of five agents, and what the rules make of its calls.

mod actions;
mod conditions;
mod house;
mod reading;
mod recorded;

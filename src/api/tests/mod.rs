//! The API over a real listener.

mod house;
mod log_in;
mod reading;
mod rights;
mod rules;

//! toritsugi: SIP telephony middleware with screen-pop.
//!
//! The rooms stand in the order a call walks through them. Rooms marked `[pure]` decide and never wait: bytes, time and
//! randomness reach them as arguments and leave them as outputs. Rooms marked `[io]` do what was decided.
//! `tests/tidy.rs` enforces the marks.

pub mod clock;
pub mod config;

pub mod customer;
pub mod engine;
pub mod events;
pub mod guidance;
pub mod identity;
pub mod message;
pub mod presence;
pub mod proxy;
pub mod routing;
pub mod transaction;
pub mod transport;

// Above this line things are decided; below it they are done.

pub mod api;
pub mod app;
pub mod cli;
pub mod desk;
pub mod driver;
pub mod storage;
pub mod telemetry;

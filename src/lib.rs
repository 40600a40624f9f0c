//! toritsugi: SIP telephony middleware with screen-pop.
//!
//! The rooms stand in the order a call walks through them. Rooms marked `[pure]` decide and never wait:
//! bytes, time and randomness reach them as arguments and leave them as outputs. Rooms marked `[io]` do what
//! was decided.
//! `tests/tidy.rs` enforces the marks and the order.

pub mod app;
pub mod clock;
pub mod config;

pub mod cli;

pub mod transport;

pub mod message;
pub mod sdp;
pub mod transaction;
pub mod proxy;
pub mod dialog;
pub mod identity;
pub mod customer;
pub mod presence;
pub mod routing;
pub mod park;
pub mod callback;
pub mod guidance;
pub mod media;
pub mod events;
pub mod engine;

// Above this line things are decided; below it they are done.

pub mod demo;
pub mod driver;
pub mod storage;
pub mod desk;
pub mod api;
pub mod telemetry;

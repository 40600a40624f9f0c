//! [pure] proxy.

//! The torture messages at parse level.

//! [pure] message.

//! [pure] transaction.

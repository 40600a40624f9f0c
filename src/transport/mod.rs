//! [io] transport.

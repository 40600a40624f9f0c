//! [io] desk.

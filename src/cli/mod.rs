//! [io] cli.

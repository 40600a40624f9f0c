//! [io] api.

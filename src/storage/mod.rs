//! [io] storage.

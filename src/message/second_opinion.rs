//! What another parser says of well-formed messages.

//! The rules, row by row.

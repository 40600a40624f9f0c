//! [io] telemetry.

//! [io] Telemetry: logs that two calls do not look alike in, figures, and the state of health.

mod health;
mod limiter;
mod line;
mod log;
pub mod metric;
mod page;

pub use health::{DegradedPart, Health, HealthSnapshot};
pub use log::{LogError, LogGuard, init_log};
pub use page::{MetricsError, MetricsPage};

//! demo placeholder
use super::DemoOptions;
use crate::cli::Failure;
/// x
pub fn demo(_options: DemoOptions) -> Result<(), Failure> { Err(Failure::of("x")) }

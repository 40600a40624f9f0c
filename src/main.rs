//! The `toritsugi` command.

/// A call makes some hundreds of small allocations; this one serves them at half the cost of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    toritsugi::cli::main()
}

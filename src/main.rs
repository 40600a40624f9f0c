//! The `toritsugi` command.

fn main() -> std::process::ExitCode {
    toritsugi::cli::main()
}

//! The program, for tests that need a process of their own.

use std::process::ExitCode;

fn main() -> ExitCode {
    app::cli::main(app::window::run)
}

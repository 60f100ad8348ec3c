//! The binary: the command line, which opens the window when nothing else is asked for.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::cli::main(app::workbench::run)
}

//! The binary: the command line, which opens the window when nothing else is asked for.
#![expect(unsafe_code, reason = "the environment of a process can only be changed that way")]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quieten_wayland();
    app::cli::main(app::workbench::run)
}

/// Looking for OpenGL adapters, Mesa asks for a Wayland display, and without this variable, as over SSH, that prints an
/// error for each question.
fn quieten_wayland() {
    let name = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(name).is_none() {
        // SAFETY: nothing else runs yet.
        unsafe { std::env::set_var(name, std::env::temp_dir()) };
    }
}

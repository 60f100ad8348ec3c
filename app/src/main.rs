//! The binary: the command line, which opens the window when nothing else is asked for.
#![expect(unsafe_code, reason = "the environment and the signals of a process can only be changed that way")]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quieten_wayland();
    outlive_full_quota();
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

/// A file that reaches the limit which the system sets for one is then a write that fails, of which one can tell, and not the
/// end of the program.
fn outlive_full_quota() {
    #[cfg(unix)]
    // SAFETY: nothing else runs yet, and ignoring a signal runs no code of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

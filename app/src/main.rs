//! The binary: the command line, which opens the window when nothing else is asked for.
#![expect(unsafe_code, reason = "the environment and the signals of a process can only be changed that way")]

use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quieten_wayland();
    outlive_full_quota();
    app::cli::main(app::window::run)
}

/// Looking for OpenGL adapters, Mesa asks for a Wayland display, and without this variable, as over SSH, that prints an
/// error for each question.
fn quieten_wayland() {
    let name = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(name).is_none() {
        let Some(folder) = private_folder() else { return };
        // SAFETY: nothing else runs yet.
        unsafe { std::env::set_var(name, folder) };
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

/// A folder of the user's own: what is looked for there, a display or a bus, nobody else can have put there, as in `/tmp`.
fn private_folder() -> Option<PathBuf> {
    let folder = directories::BaseDirs::new()?.cache_dir().join("prefix-workbench-runtime");
    std::fs::create_dir_all(&folder).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).ok()?;
    }
    Some(folder)
}

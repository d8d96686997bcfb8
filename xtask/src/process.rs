//! Other programs: run them, read them, and have them end when we end.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The user and the group nobody.
pub(crate) const NOBODY: u32 = 65_534;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs a program to its end; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command)).into()) }
}

/// Runs a program and gives what it printed.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}\n{said}", shown(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A command whose process the kernel kills when the thread that started it ends, however it ends.
pub(crate) fn bound(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The same as the user nobody, where we may choose.
pub(crate) fn bound_as_nobody(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return bound(program);
    }
    let mut command = Command::new("setpriv");
    let nobody = NOBODY.to_string();
    command.args(["--pdeathsig", "KILL", "--clear-groups", "--no-new-privs"]);
    command.args(["--reuid", &nobody, "--regid", &nobody, "--"]).arg(program);
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root());
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    crate::root().join(named)
}

/// Where a program is, if it can be found.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin"));
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Whether we may do everything on this machine.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Asks a child to end and waits for it; kills it if it does not end in time.
pub(crate) fn terminate(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no such process")?;
    kill_process(pid, Signal::TERM)?;
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Err(format!("it did not end within {} s of SIGTERM", limit.as_secs()).into())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

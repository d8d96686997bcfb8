//! `soak`: the long versions of what `ci` runs short.

use crate::{Outcome, guest_test, process};

pub(crate) const HELP: &str = "\
soak
    The long runs: the simulator over 10,000 seeds, the service stopped and started 200 times
    under load, the server restarted 20 times under a guest, the mount tests with folders of
    100,000 entries, two guests with 1000 transactions each. Hours.";

pub(crate) fn main(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(format!("usage:\n{HELP}").into());
    }
    let sim = ["run", "--release", "--package", "holdfast-sim", "--", "--runs", "10000"];
    process::run(process::cargo().args(sim))?;
    let restarts = ["test", "--release", "--package", "holdfast-net", "--test", "restart"];
    let restarts = [&restarts[..], &["--", "--nocapture"]].concat();
    process::run(process::cargo().args(restarts).env("HOLDFAST_SOAK", "1"))?;
    let long = ["--long".to_owned()];
    let mounts: [&dyn Fn() -> Outcome; 3] = [
        &|| guest_test::restarts::main(&["20".to_owned()]),
        &|| guest_test::pair::main(&long),
        &|| guest_test::main(&long),
    ];
    for test in mounts {
        let status = test()?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

//! `soak`: the long versions of what `ci` runs short.

use crate::{Outcome, guest_test, power_loss, process};

pub(crate) const HELP: &str = "\
soak
    The long runs: the simulator over 10,000 seeds, the service stopped and started 200 times
    under load, what a client notices of another one's file system that hangs and of its cold
    files, the server restarted 20 times under a guest, its machine cut off 50 times, the mount
    tests with folders of 100,000 entries, two guests with 1000 transactions each. Hours.";

pub(crate) fn main(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(format!("usage:\n{HELP}").into());
    }
    let sim = ["run", "--release", "--package", "holdfast-sim", "--", "--runs", "10000"];
    process::run(process::cargo().args(sim))?;
    for (program, only) in [("restart", ""), ("silent", "measured"), ("cold", "measured")] {
        let test = ["test", "--release", "--package", "holdfast-net", "--test", program, only];
        let test = [&test[..], &["--", "--nocapture"]].concat();
        process::run(process::cargo().args(test).env("HOLDFAST_SOAK", "1"))?;
    }
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let guests: [&dyn Fn() -> Outcome; 5] = [
        &|| guest_test::restarts::main(&words("20")),
        &|| guest_test::pair::main(&words("--long")),
        &|| guest_test::main(&words("--long")),
        &|| power_loss::main(&words("--cuts 50")),
        // The test itself is tested: without sync it must find losses.
        &|| power_loss::main(&words("--cuts 3 --no-fsync")),
    ];
    for test in guests {
        let status = test()?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

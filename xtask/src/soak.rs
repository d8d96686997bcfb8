//! `soak`: the long versions of what `ci` runs short.

use crate::{Outcome, guest_test, power_loss, process};

pub(crate) const HELP: &str = "\
soak
    The long runs: the simulator over 10,000 seeds, the service stopped and started 200 times
    under load, what a client notices of another one's file system that hangs, the server
    restarted 20 times under a guest, and its machine cut off 50 times. About 40 minutes.";

pub(crate) fn main(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(format!("usage:\n{HELP}").into());
    }
    let sim = ["run", "--release", "--package", "holdfast-sim", "--", "--runs", "10000"];
    process::run(process::cargo().args(sim))?;
    for (program, only) in [("restart", ""), ("silent", "measured")] {
        let test = ["test", "--release", "--package", "holdfast-net", "--test", program, only];
        let test = [&test[..], &["--", "--nocapture"]].concat();
        process::run(process::cargo().args(test).env("HOLDFAST_SOAK", "1"))?;
    }
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let status = guest_test::restarts::main(&words("20"))?;
    if status != 0 {
        return Ok(status);
    }
    // The test itself is tested: without sync it must find losses.
    for line in ["--cuts 50", "--cuts 3 --no-fsync"] {
        let status = power_loss::main(&words(line))?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

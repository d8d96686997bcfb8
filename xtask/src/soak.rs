//! `soak`: the long versions of what `ci` runs short.

use crate::{Outcome, guest_test, process};

pub(crate) const HELP: &str = "\
soak
    The long runs: the simulator over 10,000 seeds, the service stopped and started 200 times
    under load, what a client notices of another one's file system that hangs, the server
    restarted 20 times under a guest. About 20 minutes.";

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
    guest_test::restarts::main(&["20".to_owned()])
}

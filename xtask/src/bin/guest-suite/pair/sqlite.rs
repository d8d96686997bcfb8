//! A database that two clients write to, with a journal for rollback: nothing but locks keeps
//! them apart.

use std::path::Path;
use std::process::Command;

use super::{Pair, SQLITE};
use crate::check::equal;
use crate::options::size;
use crate::{Failure, Step};

/// Transactions of one run of the program: each run opens the database anew.
const TOGETHER: usize = 10;
/// How long the program tries to get a lock, in milliseconds.
const TIMEOUT: &str = ".timeout 300000";

fn run(database: &Path, commands: &str) -> Result<String, Failure> {
    let mut command = Command::new(SQLITE);
    let output =
        command.args(["-batch", "-bail", "-cmd", TIMEOUT]).arg(database).arg(commands).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.is_empty() {
        return Err(format!("sqlite3: {}: {}", output.status, said.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

pub(super) fn torture(pair: &mut Pair) -> Step {
    let database = pair.folder("pair-sqlite")?.join("database");
    let count = size("GUEST_TRANSACTIONS", 60).next_multiple_of(TOGETHER);
    pair.in_turn(
        || {
            let made = run(
                &database,
                "PRAGMA journal_mode=DELETE;
                 CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES (0);
                 CREATE TABLE line(who TEXT, number INTEGER, filler BLOB, UNIQUE(who, number));",
            )?;
            equal("the journal", made.as_str(), "delete")
        },
        || Ok(()),
    )?;
    let name = if pair.is_first { "first" } else { "second" };
    for batch in 0..count / TOGETHER {
        let commands: String =
            (0..TOGETHER).map(|i| transaction(name, batch * TOGETHER + i)).collect();
        run(&database, &commands).map_err(|error| format!("batch {batch}: {error}"))?;
    }
    pair.meet()?;
    equal(
        "what the database says of itself",
        run(&database, "PRAGMA integrity_check;")?.as_str(),
        "ok",
    )?;
    let sums = run(&database, "SELECT n, (SELECT count(*) FROM line) FROM counter;")?;
    equal("transactions", sums, format!("{0}|{0}", 2 * count))?;
    pair.meet()
}

/// Some of the transactions go back: nothing of these may be seen.
const TAKEN_BACK: &str = "BEGIN IMMEDIATE; UPDATE counter SET n = n + 1000; \
                          DELETE FROM line WHERE number % 2 = 0; ROLLBACK;\n";

/// Reads, computes, writes: whoever does not see what the other one did destroys it.
fn transaction(name: &str, number: usize) -> String {
    let before = if number % 4 == 3 { TAKEN_BACK } else { "" };
    let filler = number * 173 % 9000;
    format!(
        "{before}BEGIN IMMEDIATE; UPDATE counter SET n = n + 1; \
         INSERT INTO line VALUES ('{name}', {number}, randomblob({filler})); COMMIT;\n"
    )
}

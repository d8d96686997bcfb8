//! `holdfast check`: tells what a configuration file would have served, and serves nothing.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use crate::commands::serve::state_path;
use crate::report;
use crate::settings::{Given, Settings};
use crate::{config, log};

/// Tells it on standard output, a line for each matter.
pub(crate) fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::join(Given::default(), config::read(path)?, path)?;
    log::set_level(settings.log);
    let mut out = io::stdout().lock();
    for export in &settings.exports {
        writeln!(out, "exports {}", report::directory(export))?;
    }
    for addr in &settings.listen {
        writeln!(out, "listens on {addr}")?;
    }
    let state = state_path(&settings)?;
    match &state {
        Some(path) => writeln!(out, "keeps its state in {}", path.display())?,
        None => writeln!(out, "keeps no state")?,
    }
    writeln!(out, "ends what a client holds after {} s of silence", settings.lease.as_secs())?;
    out.flush()?;
    report::warn_of_root(&settings);
    if let Some(path) = state {
        report::warn_of_state(&settings, &path);
    }
    Ok(())
}

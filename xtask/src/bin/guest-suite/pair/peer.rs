//! The other client, as far as it can be talked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;
use crate::Step;

/// How long the other one may take for a step.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest line that is taken from it.
const LINE_MAX: u64 = 64 << 10;

/// A connection to the other client.
#[derive(Debug)]
pub(super) struct Peer(BufReader<TcpStream>);

impl Peer {
    pub(super) fn connect(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)
            .map_err(|error| format!("the meeting at {address}: {error}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Says a line, and waits for the line of the other one.
    pub(super) fn exchange(&mut self, line: &str) -> Result<String, Failure> {
        self.say(line)?;
        self.hear()
    }

    pub(super) fn say(&mut self, line: &str) -> Step {
        Ok(self.0.get_mut().write_all(format!("{line}\n").as_bytes())?)
    }

    pub(super) fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.0.by_ref().take(LINE_MAX).read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.to_owned()),
            None => Err("the other client is gone".into()),
        }
    }

    /// Waits until the other one is gone.
    pub(super) fn wait_until_gone(&mut self) -> Step {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err("the other client still speaks".into()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

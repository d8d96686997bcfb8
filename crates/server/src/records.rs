//! Who held state when the server stopped: what a grace period is for (RFC 8881 §8.4.2.1).

use crate::sync::{Mutex, MutexGuard, PoisonError};
use std::collections::BTreeSet;
use std::fmt;

/// The record of clients failed: the server cannot promise a restart that loses nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError(pub String);

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record of clients: {}", self.0)
    }
}

impl std::error::Error for RecordError {}

/// Keeps the names of the clients that may reclaim after a restart. A name is there once, however
/// often it is added.
pub trait ClientRecords: Send + Sync {
    /// The clients on record when the server starts.
    ///
    /// # Errors
    /// The record cannot be read: the server must not start, or clients would lose what they hold.
    fn load(&self) -> Result<Vec<Box<[u8]>>, RecordError>;

    /// Adds a client, before it is told that it may hold state.
    ///
    /// # Errors
    /// It is not on record, and must not hold anything.
    fn add(&self, owner: &[u8]) -> Result<(), RecordError>;

    /// Removes a client whose state this server dropped.
    ///
    /// # Errors
    /// It may still be on record.
    fn remove(&self, owner: &[u8]) -> Result<(), RecordError>;

    /// The grace period is over: those on record that have not reclaimed hold nothing.
    ///
    /// # Errors
    /// The end is not on record. No new state is granted until another attempt works.
    fn end_grace(&self, reclaimed: &[Box<[u8]>]) -> Result<(), RecordError>;
}

/// A record that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryRecords(Mutex<BTreeSet<Box<[u8]>>>);

impl MemoryRecords {
    /// An empty record.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Box<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientRecords for MemoryRecords {
    fn load(&self) -> Result<Vec<Box<[u8]>>, RecordError> {
        Ok(self.lock().iter().cloned().collect())
    }

    fn add(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.lock().insert(Box::from(owner));
        Ok(())
    }

    fn remove(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.lock().remove(owner);
        Ok(())
    }

    fn end_grace(&self, reclaimed: &[Box<[u8]>]) -> Result<(), RecordError> {
        self.lock().retain(|owner| reclaimed.contains(owner));
        Ok(())
    }
}

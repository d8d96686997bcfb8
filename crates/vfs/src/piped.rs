//! Data that goes from a file to a socket without passing through memory of ours.

use std::os::fd::BorrowedFd;

/// Bytes in a pipe. What is not taken out of it is thrown away when it is dropped.
pub trait Piped: Send + Sync {
    /// How many bytes are left.
    fn len(&self) -> usize;

    /// Whether none is left.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of the pipe where the bytes come out.
    fn reader(&self) -> BorrowedFd<'_>;

    /// Counts `n` bytes that came out.
    fn taken(&mut self, n: usize);
}

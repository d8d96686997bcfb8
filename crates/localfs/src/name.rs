//! A name on its way to the kernel: checked once, NUL-terminated, on the stack.

use std::ffi::CStr;

use holdfast_vfs::{Error, NAME_MAX, Result};

/// One component of a path.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    len: u8,
    bytes: [u8; NAME_MAX + 1],
}

impl Name {
    /// Refuses what is no name of a directory entry before the kernel sees it.
    pub(crate) fn new(name: &[u8]) -> Result<Self> {
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(Error::BadName);
        }
        if name.len() > NAME_MAX {
            return Err(Error::NameTooLong);
        }
        let mut bytes = [0; NAME_MAX + 1];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Self { len: name.len() as u8, bytes })
    }

    /// For the kernel.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[..=usize::from(self.len)])
            .expect("a name has no NUL but the last")
    }

    /// Without the NUL.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

//! What can be the name of a directory entry, and of an extended attribute.

use crate::{Error, NAME_MAX, Result, XATTR_NAME_MAX};

/// Checks a name as every backend must.
///
/// # Errors
/// [`Error::BadName`] when it is empty, `.`, `..`, or has `/` or NUL in it;
/// [`Error::NameTooLong`] when it exceeds [`NAME_MAX`].
pub fn check_name(name: &[u8]) -> Result<()> {
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(Error::BadName);
    }
    if name.len() > NAME_MAX { Err(Error::NameTooLong) } else { Ok(()) }
}

/// Checks the name of an extended attribute as every backend must.
///
/// # Errors
/// [`Error::BadName`] when it is empty or has NUL in it; [`Error::NameTooLong`] when it exceeds
/// [`XATTR_NAME_MAX`].
pub fn check_xattr_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.contains(&0) {
        return Err(Error::BadName);
    }
    if name.len() > XATTR_NAME_MAX { Err(Error::NameTooLong) } else { Ok(()) }
}

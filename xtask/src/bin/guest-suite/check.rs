//! Comparisons that say what they saw.

use std::fmt::Debug;
use std::io;

use rustix::io::Errno;

use crate::Step;

/// Fails unless `condition` holds.
pub(crate) fn ensure(condition: bool, what: &str) -> Step {
    if condition { Ok(()) } else { Err(format!("not so: {what}").into()) }
}

/// Fails unless both are the same.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, seen: T, wanted: T) -> Step {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("{what}: saw {seen:?}, wanted {wanted:?}").into())
    }
}

/// Fails unless both are the same bytes; says where they part, not what they are.
pub(crate) fn same_bytes(what: &str, seen: &[u8], wanted: &[u8]) -> Step {
    if seen.len() != wanted.len() {
        return Err(format!("{what}: {} bytes, wanted {}", seen.len(), wanted.len()).into());
    }
    match seen.iter().zip(wanted).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => Err(format!("{what}: differs from byte {at} on").into()),
    }
}

/// Fails unless `result` is a refusal with one of `wanted`.
pub(crate) fn refused<T, E: Into<io::Error>>(
    what: &str,
    result: Result<T, E>,
    wanted: &[Errno],
) -> Step {
    let Err(error) = result else {
        return Err(format!("{what}: done, wanted {wanted:?}").into());
    };
    let error: io::Error = error.into();
    let number = error.raw_os_error().unwrap_or(0);
    if wanted.iter().any(|errno| errno.raw_os_error() == number) {
        Ok(())
    } else {
        Err(format!("{what}: refused with {error}, wanted {wanted:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_fails_when_it_should() {
        assert!(ensure(true, "").is_ok() && ensure(false, "").is_err());
        assert!(equal("", 1, 1).is_ok() && equal("", 1, 2).is_err());
        assert!(same_bytes("", b"ab", b"ab").is_ok());
        assert!(same_bytes("", b"ab", b"ac").is_err() && same_bytes("", b"ab", b"a").is_err());
        let refusal = || Err::<(), _>(Errno::PERM);
        assert!(refused("", refusal(), &[Errno::ACCESS, Errno::PERM]).is_ok());
        assert!(refused("", refusal(), &[Errno::ACCESS]).is_err());
        assert!(refused("", Ok::<_, Errno>(()), &[Errno::PERM]).is_err());
    }
}

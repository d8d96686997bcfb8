//! Handles: what they consist of, and that only we can make one.
//!
//! ```text
//! kernel:  1 | mount, 8 bytes | type, 4 bytes | the kernel's handle | MAC, 8 bytes
//! process: 2 | number, 8 bytes | instance, 8 bytes  | MAC, 8 bytes
//! durable: 3 | volume, 8 bytes | inode, 8 bytes | stamp, 8 bytes | MAC, 8 bytes
//! ```

use std::hash::Hasher;

use holdfast_vfs::{Error, Handle, Result};
use siphasher::sip::SipHasher24;

use crate::index::record::Seal;
use crate::sys::KernelHandle;
use crate::table::Identity;

const KERNEL: u8 = 1;
const PROCESS: u8 = 2;
const DURABLE: u8 = 3;
const MAC: usize = 8;

/// What a handle of ours says.
pub(crate) enum Parsed {
    /// What the mount is known by, and the kernel's handle on it.
    Kernel(u64, KernelHandle),
    /// A number of this process's table.
    Process(u64),
    /// What an object is: a table has where it is.
    Durable(Identity),
}

/// Makes and reads handles.
pub(crate) struct Minter {
    key: [u8; 16],
    export_id: u32,
    instance: [u8; 8],
}

impl Minter {
    pub(crate) const fn new(key: [u8; 16], export_id: u32, instance: [u8; 8]) -> Self {
        Self { key, export_id, instance }
    }

    /// The handle around a kernel's of this mount; `None` if that is too long.
    pub(crate) fn kernel(&self, mount: u64, handle: &KernelHandle) -> Option<Handle> {
        self.sign(&[&[KERNEL], &mount.to_le_bytes(), &handle.kind().to_le_bytes(), handle.bytes()])
    }

    /// The handle of a number.
    pub(crate) fn process(&self, id: u64) -> Handle {
        self.sign(&[&[PROCESS], &id.to_le_bytes(), &self.instance]).expect("25 bytes fit")
    }

    /// The handle of an identity.
    pub(crate) fn durable(&self, identity: &Identity) -> Handle {
        let Identity { volume, ino, stamp } = identity;
        let parts = [&volume.to_le_bytes()[..], &ino.to_le_bytes(), &stamp.to_le_bytes()];
        self.sign(&[&[DURABLE], parts[0], parts[1], parts[2]]).expect("33 bytes fit")
    }

    /// What makes and checks the records of this export's index.
    pub(crate) const fn seal(&self) -> Seal {
        Seal::new(self.key, self.export_id)
    }

    /// What a handle says, if it is one of ours.
    pub(crate) fn parse(&self, handle: &Handle) -> Result<Parsed> {
        let bytes = handle.as_slice();
        let at = bytes.len().checked_sub(MAC).ok_or(Error::BadHandle)?;
        let (said, mac) = bytes.split_at(at);
        if !same(&self.mac(said), mac) {
            return Err(Error::BadHandle);
        }
        let (tag, rest) = said.split_first().ok_or(Error::BadHandle)?;
        match *tag {
            KERNEL => {
                let (mount, rest) = rest.split_first_chunk().ok_or(Error::BadHandle)?;
                let (kind, bytes) = rest.split_first_chunk().ok_or(Error::BadHandle)?;
                let handle = KernelHandle::new(i32::from_le_bytes(*kind), bytes);
                Ok(Parsed::Kernel(u64::from_le_bytes(*mount), handle.ok_or(Error::BadHandle)?))
            }
            PROCESS => {
                let (id, instance) = rest.split_first_chunk().ok_or(Error::BadHandle)?;
                // The number of an earlier process: it was good once.
                if instance != self.instance {
                    return Err(Error::Stale);
                }
                Ok(Parsed::Process(u64::from_le_bytes(*id)))
            }
            DURABLE => identity(rest).map(Parsed::Durable).ok_or(Error::BadHandle),
            _ => Err(Error::BadHandle),
        }
    }

    /// A short name for a kernel's handle, that nobody can make collide.
    pub(crate) fn digest(&self, handle: &KernelHandle) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&handle.kind().to_le_bytes());
        hasher.write(handle.bytes());
        hasher.finish()
    }

    fn sign(&self, parts: &[&[u8]]) -> Option<Handle> {
        let mut handle = Handle::empty();
        for part in parts {
            handle.push(part).ok()?;
        }
        handle.push(&self.mac(handle.as_slice())).ok()?;
        Some(handle)
    }

    fn mac(&self, said: &[u8]) -> [u8; MAC] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.export_id.to_le_bytes());
        hasher.write(said);
        hasher.finish().to_le_bytes()
    }
}

fn identity(bytes: &[u8]) -> Option<Identity> {
    let (volume, rest) = bytes.split_first_chunk()?;
    let (ino, stamp) = rest.split_first_chunk()?;
    let [volume, ino, stamp] = [*volume, *ino, stamp.try_into().ok()?].map(u64::from_le_bytes);
    Some(Identity { volume, ino, stamp })
}

/// Compares in a time that does not tell where the difference is.
fn same(left: &[u8; MAC], right: &[u8]) -> bool {
    let differ = left.iter().zip(right).fold(0, |differ, (left, right)| differ | (left ^ right));
    right.len() == MAC && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_of_another_export_key_or_instance_is_not_ours() {
        let minter = Minter::new([1; 16], 7, [9; 8]);
        let handle = minter.process(42);
        assert!(matches!(minter.parse(&handle), Ok(Parsed::Process(42))));
        for (other, error) in [
            (Minter::new([2; 16], 7, [9; 8]), Error::BadHandle),
            (Minter::new([1; 16], 8, [9; 8]), Error::BadHandle),
            (Minter::new([1; 16], 7, [8; 8]), Error::Stale),
        ] {
            assert_eq!(other.parse(&handle).err(), Some(error));
        }
    }

    #[test]
    fn a_durable_handle_is_of_the_key_and_the_export_and_of_no_instance() {
        let identity = Identity { volume: 1, ino: 2, stamp: u64::MAX };
        let handle = Minter::new([1; 16], 7, [9; 8]).durable(&identity);
        assert_eq!(handle.len(), 33);
        let later = Minter::new([1; 16], 7, [8; 8]);
        let Ok(Parsed::Durable(back)) = later.parse(&handle) else { panic!("not parsed") };
        assert_eq!(back, identity);
        for other in [Minter::new([2; 16], 7, [9; 8]), Minter::new([1; 16], 8, [9; 8])] {
            assert_eq!(other.parse(&handle).err(), Some(Error::BadHandle));
        }
    }

    #[test]
    fn a_kernel_handle_of_40_bytes_fits_64() {
        let minter = Minter::new([1; 16], 7, [9; 8]);
        let kernel = KernelHandle::new(-3, &[5; 40]).unwrap();
        let handle = minter.kernel(u64::MAX - 1, &kernel).unwrap();
        assert!(handle.len() <= 64);
        let Ok(Parsed::Kernel(mount, back)) = minter.parse(&handle) else { panic!("not parsed") };
        assert_eq!((mount, back.kind(), back.bytes()), (u64::MAX - 1, -3, &[5; 40][..]));
    }
}

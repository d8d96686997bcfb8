//! The records of the log: what they consist of, and how a bad one is known. No I/O.
//!
//! ```text
//! log:       header, records
//! header:    "holdfast index 1", 16 bytes | check, 4
//! record:    length of the rest, 2 bytes | check of it, 4 | the rest
//! seen:      1 | is a directory, 1 | number, 8 | volume, 8 | inode, 8 | stamp, 8
//!              | directory's number, 8 | name
//! forgotten: 2 | number, 8
//! ```
//!
//! Numbers are little-endian. A check is half of a keyed hash over the export's id and the bytes,
//! so that another export's or server's log is as bad as a torn one.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::table::Identity;

/// What a log begins with, before its check.
const MAGIC: [u8; 16] = *b"holdfast index 1";
/// Bytes of the header.
pub(crate) const HEADER: usize = MAGIC.len() + 4;
/// Bytes before the rest of a record.
pub(crate) const PREFIX: usize = 6;
/// Bytes of a record without its name.
const FIXED: usize = PREFIX + 2 + 5 * 8;
/// The longest rest of a record.
pub(crate) const REST_MAX: usize = FIXED - PREFIX + holdfast_vfs::NAME_MAX;

const SEEN: u8 = 1;
const FORGOTTEN: u8 = 2;

/// Where an object was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen<'a> {
    pub(crate) id: u64,
    pub(crate) identity: Identity,
    pub(crate) parent: u64,
    pub(crate) name: &'a [u8],
    pub(crate) is_directory: bool,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Seen(Seen<'a>),
    Forgotten(u64),
}

/// Bytes of the record of an object with this name.
pub(crate) const fn size(name: &[u8]) -> u64 {
    (FIXED + name.len()) as u64
}

/// Makes and checks records.
#[derive(Clone, Copy)]
pub(crate) struct Seal {
    key: [u8; 16],
    export_id: u32,
}

impl Seal {
    pub(crate) const fn new(key: [u8; 16], export_id: u32) -> Self {
        Self { key, export_id }
    }

    /// What a log of this export begins with.
    pub(crate) fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..].copy_from_slice(&self.check(&MAGIC));
        header
    }

    /// Adds the record of an object.
    pub(crate) fn seen(&self, seen: &Seen<'_>, to: &mut Vec<u8>) {
        self.add(to, |to| {
            to.extend([SEEN, u8::from(seen.is_directory)]);
            let Identity { volume, ino, stamp } = seen.identity;
            for number in [seen.id, volume, ino, stamp, seen.parent] {
                to.extend(number.to_le_bytes());
            }
            to.extend(seen.name);
        });
    }

    /// Adds the record of a number that stands for nothing any more.
    pub(crate) fn forgotten(&self, id: u64, to: &mut Vec<u8>) {
        self.add(to, |to| {
            to.push(FORGOTTEN);
            to.extend(id.to_le_bytes());
        });
    }

    /// The length and the check that a record begins with.
    pub(crate) fn prefix(prefix: [u8; PREFIX]) -> (usize, [u8; 4]) {
        let [low, high, check @ ..] = prefix;
        (usize::from(u16::from_le_bytes([low, high])), check)
    }

    /// What the rest of a record says; `None` if it does not pass the check.
    pub(crate) fn read<'a>(&self, check: [u8; 4], rest: &'a [u8]) -> Option<Record<'a>> {
        if self.check(rest) != check {
            return None;
        }
        let (tag, rest) = rest.split_first()?;
        match *tag {
            SEEN => {
                let (is_directory, rest) = rest.split_first()?;
                let (numbers, name) = rest.split_first_chunk::<40>()?;
                let mut numbers = numbers.chunks_exact(8).map(number);
                let mut next = || numbers.next().flatten();
                let (id, volume, ino, stamp) = (next()?, next()?, next()?, next()?);
                let identity = Identity { volume, ino, stamp };
                let (parent, is_directory) = (next()?, *is_directory != 0);
                Some(Record::Seen(Seen { id, identity, parent, name, is_directory }))
            }
            FORGOTTEN => Some(Record::Forgotten(number(rest)?)),
            _ => None,
        }
    }

    fn add(&self, to: &mut Vec<u8>, rest: impl FnOnce(&mut Vec<u8>)) {
        let start = to.len();
        to.extend([0; PREFIX]);
        rest(to);
        let len = to.len() - start - PREFIX;
        let check = self.check(&to[start + PREFIX..]);
        to[start..start + 2].copy_from_slice(&(len as u16).to_le_bytes());
        to[start + 2..start + PREFIX].copy_from_slice(&check);
    }

    /// No handle begins with these letters: a check tells nothing of a handle's MAC.
    fn check(&self, bytes: &[u8]) -> [u8; 4] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.export_id.to_le_bytes());
        hasher.write(b"log");
        hasher.write(bytes);
        (hasher.finish() as u32).to_le_bytes()
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_flipped_bit_passes() {
        let seal = Seal::new([7; 16], 3);
        let identity = Identity { volume: 1, ino: u64::MAX, stamp: 2 };
        let name = [0xff; holdfast_vfs::NAME_MAX];
        let seen = Seen { id: 9, identity, parent: 4, name: &name, is_directory: true };
        let mut bytes = Vec::new();
        seal.seen(&seen, &mut bytes);
        assert_eq!(bytes.len() as u64, size(&name));
        let (len, check) = Seal::prefix(*bytes.first_chunk().unwrap());
        assert!(len == bytes.len() - PREFIX && len == REST_MAX);
        assert_eq!(seal.read(check, &bytes[PREFIX..]), Some(Record::Seen(seen)));
        for bit in 0..8 * len {
            let mut rest = bytes[PREFIX..].to_vec();
            rest[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.read(check, &rest), None);
        }
        assert_eq!(Seal::new([7; 16], 4).read(check, &bytes[PREFIX..]), None);
        bytes.clear();
        seal.forgotten(5, &mut bytes);
        let (_, check) = Seal::prefix(*bytes.first_chunk().unwrap());
        assert_eq!(seal.read(check, &bytes[PREFIX..]), Some(Record::Forgotten(5)));
    }
}

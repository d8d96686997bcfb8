//! What opens do and deny, alone and together.

/// Reading, writing, both or neither: what an open does or denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Data is read.
    pub read: bool,
    /// Data is written.
    pub write: bool,
}

impl Share {
    /// Neither.
    pub const NONE: Self = Self { read: false, write: false };
    /// Reading.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing.
    pub const WRITE: Self = Self { read: false, write: true };
    /// Both.
    pub const BOTH: Self = Self { read: true, write: true };

    const ALL: [Self; 4] = [Self::NONE, Self::READ, Self::WRITE, Self::BOTH];

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write }
    }

    /// Whether something is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        (self.read && other.read) || (self.write && other.write)
    }

    /// Whether all of `other` is in `self`.
    pub const fn contains(self, other: Self) -> bool {
        (self.read || !other.read) && (self.write || !other.write)
    }

    const fn bit(self) -> u8 {
        1 << (self.read as u8 | (self.write as u8) << 1)
    }
}

/// The shares that the OPENs behind one state id asked for: what it can be reduced to
/// (RFC 8881 §18.18.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares(u8);

impl Shares {
    /// Those of one OPEN.
    pub const fn of(share: Share) -> Self {
        Self(share.bit())
    }

    /// Those of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that stay within `limit`.
    #[must_use]
    pub fn within(self, limit: Share) -> Self {
        Self(self.iter().filter(|share| limit.contains(*share)).fold(0, |set, s| set | s.bit()))
    }

    /// Whether some of them come to just `share`.
    pub fn make_up(self, share: Share) -> bool {
        let within = self.within(share);
        within.0 != 0 && within.iter().fold(Share::NONE, Share::union) == share
    }

    fn iter(self) -> impl Iterator<Item = Share> {
        Share::ALL.into_iter().filter(move |share| self.0 & share.bit() != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_sets() {
        for (at, a) in Share::ALL.into_iter().enumerate() {
            for (other, b) in Share::ALL.into_iter().enumerate() {
                assert_eq!(a.union(b), Share::ALL[at | other]);
                assert_eq!(a.overlaps(b), at & other != 0);
                assert_eq!(a.contains(b), at & other == other);
            }
        }
    }

    #[test]
    fn only_what_was_asked_for_can_be_gone_back_to() {
        let read_and_both = Shares::of(Share::READ).union(Shares::of(Share::BOTH));
        assert!(read_and_both.make_up(Share::READ) && read_and_both.make_up(Share::BOTH));
        assert!(!read_and_both.make_up(Share::WRITE) && !read_and_both.make_up(Share::NONE));
        let each = Shares::of(Share::READ).union(Shares::of(Share::WRITE));
        assert!(each.make_up(Share::BOTH), "the two together");
        assert!(Shares::of(Share::NONE).make_up(Share::NONE));
        assert_eq!(each.within(Share::READ), Shares::of(Share::READ));
        assert!(!Shares::default().make_up(Share::NONE));
    }
}

//! Moving names.
//!
//! A directory gets another parent only while the topology is held. So of two directories it can
//! be told which lies below the other, and the upper one is locked first; as all else locks a
//! parent before its child, no two can wait for each other.

use std::sync::{Arc, RwLockWriteGuard};

use super::MemFs;
use super::dir::Dir;
use super::inode::{Inode, require};
use super::names::check_subdirs;
use super::sync::lock;
use crate::{Access, ChangeInfo, Cred, Error, Handle, Result, Time, access, check_name};

/// The two directories of a rename, locked; `to` is `None` where they are one.
struct Locked<'a> {
    from: RwLockWriteGuard<'a, Dir>,
    to: Option<RwLockWriteGuard<'a, Dir>>,
}

/// What a rename was found to do.
struct Plan {
    source: Arc<Inode>,
    target: Option<Arc<Inode>>,
}

struct Move<'a> {
    fs: &'a MemFs,
    cred: &'a Cred,
    from: &'a Arc<Inode>,
    from_name: &'a [u8],
    to: &'a Arc<Inode>,
    to_name: &'a [u8],
}

impl MemFs {
    pub(super) fn move_name(
        &self,
        cred: &Cred,
        (from, from_name): (&Handle, &[u8]),
        (to, to_name): (&Handle, &[u8]),
    ) -> Result<(ChangeInfo, ChangeInfo)> {
        check_name(from_name)?;
        check_name(to_name)?;
        let (from, to) = (self.shared.resolve(from)?, self.shared.resolve(to)?);
        if !from.is_dir() || !to.is_dir() {
            return Err(Error::NotDirectory);
        }
        let across = from.ino != to.ino;
        let _topology = across.then(|| lock(&self.shared.topology));
        let (from, to) = (&from, &to);
        let rename = Move { fs: self, cred, from, from_name, to, to_name };
        // Dropped after the locks: the data of a large file takes its time.
        let plan;
        let mut locked = if across { lock_two(from, to)? } else { lock_one(from)? };
        plan = rename.plan(&locked)?;
        rename.run(&plan, &mut locked)
    }
}

impl Move<'_> {
    fn plan(&self, locked: &Locked<'_>) -> Result<Plan> {
        let (above, below) = (self.from.attr(), self.to.attr());
        require(self.cred, &above, Access::LOOKUP)?;
        require(self.cred, &below, Access::LOOKUP)?;
        let source = locked.from.get(self.from_name).ok_or(Error::NotFound)?.clone();
        let target = locked.target().get(self.to_name).cloned();
        if target.as_ref().is_some_and(|target| target.ino == source.ino) {
            return Ok(Plan { source, target });
        }
        require(self.cred, &above, Access::MODIFY)?;
        require(self.cred, &below, Access::MODIFY)?;
        let mut may = access::may_unlink(self.cred, &above, &source.attr());
        if let Some(target) = &target {
            may &= access::may_unlink(self.cred, &below, &target.attr());
        }
        if !may {
            return Err(Error::NotPermitted);
        }
        if source.is_dir() && self.crosses() {
            if self.to.is_within(&source) {
                return Err(Error::Invalid);
            }
            // Its entry `..` changes.
            require(self.cred, &source.attr(), Access::MODIFY)?;
        }
        self.check_target(&source, target.as_ref())?;
        Ok(Plan { source, target })
    }

    fn check_target(&self, source: &Inode, target: Option<&Arc<Inode>>) -> Result<()> {
        let Some(target) = target else {
            let comes = i32::from(source.is_dir() && self.crosses());
            return check_subdirs(&self.to.attr(), comes);
        };
        if target.is_dir() != source.is_dir() {
            return Err(Error::Exists);
        }
        // A directory above the source has entries; to lock it here would be out of order.
        if target.is_dir() && self.crosses() && self.from.is_within(target) {
            return Err(Error::Exists);
        }
        Ok(())
    }

    fn run(&self, plan: &Plan, locked: &mut Locked<'_>) -> Result<(ChangeInfo, ChangeInfo)> {
        let Plan { source, target } = plan;
        let now = self.fs.shared.now();
        if target.as_ref().is_some_and(|target| target.ino == source.ino) {
            return Ok((unchanged(self.from), unchanged(self.to)));
        }
        match target {
            Some(target) => {
                bury(target)?;
                target.link_removed(now);
                locked.target_mut().replace(self.to_name, source.clone());
            }
            None => {
                self.fs.shared.account.take_bytes(Dir::cost(self.to_name))?;
                locked.target_mut().insert(self.to_name, source.clone());
            }
        }
        locked.from.remove(self.from_name);
        self.fs.shared.account.give_bytes(Dir::cost(self.from_name));
        {
            let mut meta = source.meta();
            if source.is_dir() {
                meta.parent = Arc::downgrade(self.to);
            }
            meta.touch(now);
        }
        Ok(self.record(plan, locked, now))
    }

    /// Records the change in the directories.
    fn record(&self, plan: &Plan, locked: &Locked<'_>, now: Time) -> (ChangeInfo, ChangeInfo) {
        let moved = i32::from(plan.source.is_dir());
        let replaced = plan.target.as_ref().map_or(0, |target| i32::from(target.is_dir()));
        if self.crosses() {
            let from = self.from.entries_changed(locked.from.used(), -moved, now);
            let to = self.to.entries_changed(locked.target().used(), moved - replaced, now);
            (from, to)
        } else {
            let change = self.from.entries_changed(locked.from.used(), -replaced, now);
            (change, change)
        }
    }

    fn crosses(&self) -> bool {
        self.from.ino != self.to.ino
    }
}

impl Locked<'_> {
    fn target(&self) -> &Dir {
        self.to.as_ref().unwrap_or(&self.from)
    }

    fn target_mut(&mut self) -> &mut Dir {
        self.to.as_mut().unwrap_or(&mut self.from)
    }
}

fn lock_one(dir: &Inode) -> Result<Locked<'_>> {
    Ok(Locked { from: dir.entries_mut()?, to: None })
}

/// Needs the topology held.
fn lock_two<'a>(from: &'a Arc<Inode>, to: &'a Arc<Inode>) -> Result<Locked<'a>> {
    let to_first = from.is_within(to) || (!to.is_within(from) && to.ino < from.ino);
    if to_first {
        let to = to.entries_mut()?;
        Ok(Locked { from: from.entries_mut()?, to: Some(to) })
    } else {
        let from = from.entries_mut()?;
        Ok(Locked { from, to: Some(to.entries_mut()?) })
    }
}

/// Lets a directory take no entries any more; one that has some refuses.
fn bury(target: &Inode) -> Result<()> {
    if !target.is_dir() {
        return Ok(());
    }
    let mut entries = target.entries_mut()?;
    if !entries.is_empty() {
        return Err(Error::Exists);
    }
    entries.dead = true;
    Ok(())
}

fn unchanged(dir: &Inode) -> ChangeInfo {
    let change = dir.attr().change;
    ChangeInfo { atomic: true, before: change, after: change }
}

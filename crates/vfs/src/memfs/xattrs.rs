//! Extended attributes.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use super::MemFs;
use super::account::Account;
use super::inode::{Inode, Meta, require};
use crate::{
    Access, ChangeInfo, Cred, Error, FileKind, Handle, Result, XATTR_LIST_MAX, XATTR_VALUE_MAX,
    XattrHow, access, check_xattr_name,
};

/// What an attribute costs beside its name and value; near what the table takes for it.
const XATTR_COST: u64 = 64;

/// The extended attributes of one object.
#[derive(Default)]
pub(super) struct Xattrs {
    values: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// Bytes of all names, each with one byte behind it.
    names: usize,
}

impl Xattrs {
    /// Bytes that the attributes count for.
    pub(super) fn used(&self) -> u64 {
        self.values.iter().map(|(name, value)| cost(name, value)).sum()
    }

    fn insert(&mut self, account: &Account, name: &[u8], value: &[u8]) -> Result<()> {
        let old = self.values.get(name).map(|old| cost(name, old));
        let names = self.names + if old.is_none() { name.len() + 1 } else { 0 };
        if names > XATTR_LIST_MAX {
            return Err(Error::NoSpace);
        }
        account.take_bytes(cost(name, value))?;
        account.give_bytes(old.unwrap_or(0));
        self.values.insert(name.into(), value.into());
        self.names = names;
        Ok(())
    }

    fn remove(&mut self, account: &Account, name: &[u8]) -> Result<()> {
        let value = self.values.remove(name).ok_or(Error::NoXattr)?;
        account.give_bytes(cost(name, &value));
        self.names -= name.len() + 1;
        Ok(())
    }
}

const fn cost(name: &[u8], value: &[u8]) -> u64 {
    XATTR_COST + name.len() as u64 + value.len() as u64
}

impl MemFs {
    pub(super) fn xattr(&self, cred: &Cred, node: &Handle, name: &[u8]) -> Result<Vec<u8>> {
        check_xattr_name(name)?;
        let inode = self.shared.resolve(node)?;
        let meta = inode.meta();
        if !has_xattrs(inode.kind) {
            return Err(Error::NoXattr);
        }
        require(cred, &meta.attr, Access::XATTR_READ)?;
        meta.xattrs.values.get(name).map(|value| value.to_vec()).ok_or(Error::NoXattr)
    }

    pub(super) fn xattr_names(&self, cred: &Cred, node: &Handle) -> Result<Vec<Vec<u8>>> {
        let inode = self.shared.resolve(node)?;
        let meta = inode.meta();
        if !has_xattrs(inode.kind) {
            return Ok(Vec::new());
        }
        require(cred, &meta.attr, Access::XATTR_LIST)?;
        Ok(meta.xattrs.values.keys().map(|name| name.to_vec()).collect())
    }

    pub(super) fn set_xattr(
        &self,
        cred: &Cred,
        node: &Handle,
        name: &[u8],
        value: &[u8],
        how: XattrHow,
    ) -> Result<ChangeInfo> {
        check_xattr_name(name)?;
        if value.len() > XATTR_VALUE_MAX {
            return Err(Error::XattrTooBig);
        }
        let inode = self.shared.resolve(node)?;
        let mut meta = writable(cred, &inode)?;
        match (how, meta.xattrs.values.get(name)) {
            (XattrHow::Create, Some(_)) => return Err(Error::Exists),
            (XattrHow::Replace, None) => return Err(Error::NoXattr),
            // RFC 8276 §8.4.2.3: what does not change needs no new value in the caches of clients.
            (XattrHow::Either | XattrHow::Replace, Some(old)) if **old == *value => {
                let change = meta.attr.change;
                return Ok(ChangeInfo { atomic: true, before: change, after: change });
            }
            (XattrHow::Either | XattrHow::Create | XattrHow::Replace, _) => {}
        }
        meta.xattrs.insert(&self.shared.account, name, value)?;
        Ok(self.xattrs_changed(&mut meta))
    }

    pub(super) fn remove_xattr(
        &self,
        cred: &Cred,
        node: &Handle,
        name: &[u8],
    ) -> Result<ChangeInfo> {
        check_xattr_name(name)?;
        let inode = self.shared.resolve(node)?;
        let mut meta = writable(cred, &inode)?;
        meta.xattrs.remove(&self.shared.account, name)?;
        Ok(self.xattrs_changed(&mut meta))
    }

    fn xattrs_changed(&self, meta: &mut Meta) -> ChangeInfo {
        let before = meta.attr.change;
        meta.touch(self.shared.now());
        ChangeInfo { atomic: true, before, after: meta.attr.change }
    }
}

const fn has_xattrs(kind: FileKind) -> bool {
    matches!(kind, FileKind::Regular | FileKind::Directory)
}

/// An object whose extended attributes `cred` may change.
fn writable<'a>(cred: &Cred, inode: &'a Inode) -> Result<MutexGuard<'a, Meta>> {
    let meta = inode.meta();
    let attr = &meta.attr;
    let sticky = inode.is_dir() && !access::may_unlink(cred, attr, attr);
    if !has_xattrs(inode.kind) || sticky {
        return Err(Error::NotPermitted);
    }
    require(cred, attr, Access::XATTR_WRITE)?;
    Ok(meta)
}

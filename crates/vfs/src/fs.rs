//! The contract: every method lists its errors, one bullet a condition. Each bullet is a test of
//! the conformance suite.

use crate::{
    Access, Advice, Attr, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd, Error, File,
    Handle, LockStep, Locked, NewNode, OpenMode, Properties, ReadEnd, Reply, SetAttr, Space,
    Stability, Want, Written, XattrHow, access,
};

/// Where a read puts its data. Data arrives in the order of the file.
pub trait ReadSink: Send {
    /// Room for `len` more bytes, for a backend that fills memory. The bytes hold old data until
    /// they are filled; [`ReadSink::filled`] says how many count.
    fn buf(&mut self, len: usize) -> &mut [u8];

    /// Keeps the first `len` bytes of what [`ReadSink::buf`] gave and drops the rest.
    fn filled(&mut self, len: usize);

    /// Takes data that the backend holds already.
    fn bytes(&mut self, data: &[u8]) {
        self.buf(data.len()).copy_from_slice(data);
        self.filled(data.len());
    }

    /// Takes what a read of `len` bytes at `offset` gives of a file with these contents.
    fn slice(&mut self, contents: &[u8], offset: u64, len: usize) -> ReadEnd {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = contents.get(start..).unwrap_or_default();
        let data = &rest[..len.min(rest.len())];
        self.bytes(data);
        ReadEnd { count: data.len(), eof: data.len() == rest.len() }
    }

    /// Whether the data of this read may come in a pipe: all of it, or none.
    fn takes_pipe(&self) -> bool {
        false
    }

    /// Takes all data of the read in a pipe. Only called where [`ReadSink::takes_pipe`] says so,
    /// and before anything else was given.
    fn pipe(&mut self, data: Box<dyn crate::Piped>) {
        debug_assert!(false, "{} bytes for a sink that takes no pipe", data.len());
    }

    /// Takes `len` zeros that are not stored. Only [`FileSystem::read_plus`] gives them.
    fn hole(&mut self, len: usize) {
        self.buf(len)[..len].fill(0);
        self.filled(len);
    }
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// The name: never `.` or `..`.
    pub name: &'a [u8],
    /// Where the listing goes on after this entry: above 2 (RFC 8881 §18.23.3).
    pub cookie: u64,
    /// The object's file id.
    pub fileid: u64,
    /// The attributes, where asked for; an error where they could not be read.
    pub attr: Option<crate::Result<Attr>>,
    /// The handle, where asked for and to be had.
    pub handle: Option<Handle>,
}

/// Takes a listing.
pub trait DirSink: Send {
    /// Takes an entry. `false`: it was not taken, and no further one will be.
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool;
}

/// Files, directories and links behind handles.
///
/// Common to all methods:
/// - [`Stale`](crate::Error::Stale): the object of a handle is gone.
/// - [`BadHandle`](crate::Error::BadHandle): a handle was not made by this file system.
/// - [`Io`](crate::Error::Io): the storage failed.
/// - [`Busy`](crate::Error::Busy): it cannot be done now; nothing was done.
///
/// Common to the methods that take a name:
/// - [`NotDirectory`](crate::Error::NotDirectory): the directory's handle names something else.
/// - [`BadName`](crate::Error::BadName): the name is empty, `.`, `..`, or has `/` or NUL in it.
/// - [`NameTooLong`](crate::Error::NameTooLong): it exceeds [`Properties::name_max`].
/// - [`AccessDenied`](crate::Error::AccessDenied): the caller may not search the directory, or,
///   where the method changes it, not write it.
///
/// Common to the methods that change something:
/// - [`ReadOnly`](crate::Error::ReadOnly): the file system is read-only.
/// - [`NoSpace`](crate::Error::NoSpace), [`Quota`](crate::Error::Quota): nothing is left for it.
///
/// A method that changes something has changed all of it or nothing when its reply is ready; a
/// caller that drops a reply that is not ready does not know which. A file system may answer only
/// when the change is on stable storage; if that fails, the answer is an error of the storage, and
/// the change may be kept or not.
///
/// What is not implemented is refused: a file system that can only be read has six methods.
pub trait FileSystem: Send + Sync {
    /// What is true for as long as this file system is exported.
    fn properties(&self) -> Properties {
        Properties::default()
    }

    /// What is true of the file system that an object is on, where more than one lies below the
    /// root. Like [`FileSystem::properties`] it answers at once.
    fn properties_of(&self, node: &Handle) -> Properties {
        let _ = node;
        self.properties()
    }

    /// The directory at the top.
    fn root(&self) -> Handle;

    /// The attributes of an object. Needs no right but to have its handle.
    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr>;

    /// Sets attributes, in the order size, owner, group, mode, times.
    ///
    /// `file` is the open file through which a size is set: its open mode counts in place of the
    /// caller's rights.
    ///
    /// Who is not privileged takes the set-id bits of a file with its owner, group or size.
    ///
    /// - [`NotPermitted`](crate::Error::NotPermitted): the caller does not own the object and
    ///   sets mode, owner, group or a time to a value; or gives the object away without privilege.
    /// - [`AccessDenied`](crate::Error::AccessDenied): a size or a time of now is set without the
    ///   right to write.
    /// - [`IsDirectory`](crate::Error::IsDirectory): the size of a directory is set.
    /// - [`Invalid`](crate::Error::Invalid): the size of another object is set that is no regular
    ///   file.
    /// - [`TooBig`](crate::Error::TooBig): the size exceeds [`Properties::size_max`].
    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        let _ = (cred, node, file, set);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Which of the wanted rights the caller has. A right that the object's type does not have is
    /// not granted. Advice only: every method checks for itself.
    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        match self.getattr(cred, node) {
            Reply::Now(attr) => Reply::Now(attr.map(|attr| granted(attr, cred, want))),
            Reply::Later(attr) => Reply::later(async move { granted(attr.await, cred, want) }),
        }
    }

    /// The object behind a name.
    ///
    /// - [`NotFound`](crate::Error::NotFound): there is no such name.
    /// - [`IsSymlink`](crate::Error::IsSymlink): the directory's handle names a symbolic link.
    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle>;

    /// The directory above a directory.
    ///
    /// - [`NotFound`](crate::Error::NotFound): it is the root.
    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        let _ = (cred, dir);
        Reply::now(Err(Error::NotFound))
    }

    /// The text of a symbolic link.
    ///
    /// - [`Invalid`](crate::Error::Invalid): the object is no symbolic link.
    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        let _ = (cred, node);
        Reply::now(Err(Error::Invalid))
    }

    /// Opens a regular file that exists. The owner is let in whatever the mode says: who may read
    /// and write was decided when the client opened it (RFC 8881 §6.2.1.3.1 leaves this to the
    /// server, and every client relies on it) - but only when `owner_override` is set.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the mode or ACL forbids it.
    /// - [`IsDirectory`](crate::Error::IsDirectory): it is a directory.
    /// - [`IsSymlink`](crate::Error::IsSymlink): it is a symbolic link.
    /// - [`WrongType`](crate::Error::WrongType): it is anything else but a regular file.
    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File>;

    /// Makes or opens the regular file of a name, in one step.
    ///
    /// The creator is its owner; its group is the creator's, or the directory's if that has the
    /// set-group-id bit. A new file may be opened in any mode whatever its own mode says.
    ///
    /// - [`Exists`](crate::Error::Exists): the name exists, and `how` forbids that.
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file exists and may not be opened so.
    /// - [`IsDirectory`](crate::Error::IsDirectory), [`IsSymlink`](crate::Error::IsSymlink),
    ///   [`WrongType`](crate::Error::WrongType): the name exists and is no regular file
    ///   (unchecked only).
    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        let _ = (cred, dir, name, how, mode);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Makes anything but a regular file. Answers its handle and the directory's change.
    ///
    /// - [`Exists`](crate::Error::Exists): the name exists.
    /// - [`TooManyLinks`](crate::Error::TooManyLinks): the directory can have no further
    ///   subdirectory.
    /// - [`NotPermitted`](crate::Error::NotPermitted): a device, without privilege.
    /// - [`NotSupported`](crate::Error::NotSupported): the file system has no objects of the kind.
    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        let _ = (cred, dir, name, kind, attrs);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Removes a name, of a directory only if that is empty. An open file lives on without it.
    ///
    /// - [`NotFound`](crate::Error::NotFound): there is no such name.
    /// - [`NotEmpty`](crate::Error::NotEmpty): a directory with entries.
    /// - [`NotPermitted`](crate::Error::NotPermitted) or
    ///   [`AccessDenied`](crate::Error::AccessDenied): the directory is sticky and neither it nor
    ///   the object is the caller's.
    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let _ = (cred, dir, name);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Moves a name, over another one if that exists, as one step. Two names of one object: no
    /// change. Answers the change of both directories, source first.
    ///
    /// - [`NotFound`](crate::Error::NotFound): there is no such source.
    /// - [`Exists`](crate::Error::Exists): one is a directory and the other is not, or the target
    ///   directory has entries (RFC 8881 §18.26.3).
    /// - [`Invalid`](crate::Error::Invalid): a directory into itself or below.
    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        let _ = (cred, from, to);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Gives an object another name.
    ///
    /// - [`Exists`](crate::Error::Exists): the name exists.
    /// - [`IsDirectory`](crate::Error::IsDirectory): the object is a directory.
    /// - [`TooManyLinks`](crate::Error::TooManyLinks): it has [`Properties::link_max`] names.
    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let _ = (cred, node, dir, name);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Lists a directory from after the entry that `cookie` came with; 0 is the start. An entry
    /// that exists throughout is given exactly once, whatever else changes meanwhile.
    ///
    /// `room` is about how many bytes of names the sink will take: a hint how far to read.
    ///
    /// - [`NotDirectory`](crate::Error::NotDirectory): it is none.
    /// - [`AccessDenied`](crate::Error::AccessDenied): the caller may not read it.
    /// - [`BadCookie`](crate::Error::BadCookie): no entry of this directory had that cookie.
    fn readdir<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        room: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd>;

    /// Reads up to `len` bytes at `offset`; fewer only at the end of the file or where the
    /// backend prefers to answer early. At or after the end: none, with `eof`.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file is not open for reading.
    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd>;

    /// As [`FileSystem::read`], but what is known not to be stored may go to
    /// [`ReadSink::hole`] in place of zeros. No slower than a read where there are no holes.
    fn read_plus<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.read(file, offset, len, sink)
    }

    /// Where the next byte of this content is, from `offset` on. The end of the file counts as a
    /// hole; none: there is no further data.
    ///
    /// - [`BeyondEnd`](crate::Error::BeyondEnd): the offset is at or after the end.
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file is not open for reading.
    fn seek<'a>(&'a self, file: &'a File, offset: u64, what: Content) -> Reply<'a, Option<u64>> {
        let _ = (file, offset, what);
        Reply::now(Err(Error::NotSupported))
    }

    /// Writes `data` at `offset` with the caller's rights; at least as safe as asked. An error
    /// means that none of it counts as written. Unless the caller is privileged, the file loses
    /// its set-id bits.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file is not open for writing.
    /// - [`TooBig`](crate::Error::TooBig): nothing fits below [`Properties::size_max`].
    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        let _ = (cred, file, offset, data, stability);
        Reply::now(Err(Error::ReadOnly))
    }

    /// Gives a range room, so that writes there find it; a file that ends before the range's end
    /// grows to it, with zeros. On stable storage when it is answered. Set-id bits go as by a
    /// write.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file is not open for writing.
    /// - [`Invalid`](crate::Error::Invalid): the range is empty.
    /// - [`TooBig`](crate::Error::TooBig): the range ends after [`Properties::size_max`].
    /// - [`NoSpace`](crate::Error::NoSpace): there is not room for all of it. What there is may
    ///   be given, but the size stays.
    /// - [`NotSupported`](crate::Error::NotSupported): room cannot be promised here.
    fn allocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        let _ = (cred, file, offset, len);
        Reply::now(Err(Error::NotSupported))
    }

    /// Makes a range read as zeros and frees what can be freed of it; the size stays. On stable
    /// storage when it is answered. Set-id bits go as by a write.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file is not open for writing.
    /// - [`Invalid`](crate::Error::Invalid): the range is empty.
    /// - [`TooBig`](crate::Error::TooBig): the range ends after [`Properties::size_max`].
    /// - [`NotSupported`](crate::Error::NotSupported): nothing can be freed here.
    fn deallocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        let _ = (cred, file, offset, len);
        Reply::now(Err(Error::NotSupported))
    }

    /// Lets a range of one file, `from` an offset, be that of another as well, by sharing what
    /// is stored: all of it or nothing. `len` 0 is to the source's end. The target grows as by a
    /// write. On stable storage when it is answered. Set-id bits of the target go as by a write.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the source is not open for reading, or the
    ///   target not for writing.
    /// - [`Invalid`](crate::Error::Invalid): the source ends before the range does; the ranges
    ///   overlap in one file; an offset is no multiple of [`Properties::clone_block`], or the
    ///   length is none and not to the source's end.
    /// - [`TooBig`](crate::Error::TooBig): the target would end after [`Properties::size_max`].
    /// - [`CrossDevice`](crate::Error::CrossDevice): the files cannot share.
    /// - [`NotSupported`](crate::Error::NotSupported): no files here can.
    fn clone_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, ()> {
        let _ = (cred, from, to, len);
        Reply::now(Err(Error::NotSupported))
    }

    /// Copies up to `len` bytes from an offset of one file to one of another, in their order.
    /// Fewer where the source ends, or where the backend prefers to answer early; none only at
    /// the source's end. Otherwise as an unstable write.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the source is not open for reading, or the
    ///   target not for writing.
    /// - [`Invalid`](crate::Error::Invalid): the ranges overlap in one file.
    /// - [`TooBig`](crate::Error::TooBig): nothing fits below [`Properties::size_max`].
    /// - [`NotSupported`](crate::Error::NotSupported): the caller should read and write.
    fn copy_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, Written> {
        let _ = (cred, from, to, len);
        Reply::now(Err(Error::NotSupported))
    }

    /// Says how a range is going to be used; `len` 0 is to the end.
    ///
    /// - [`NotSupported`](crate::Error::NotSupported): this advice would make no difference.
    fn advise<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: u64,
        advice: Advice,
    ) -> Reply<'a, ()> {
        let _ = (file, offset, len, advice);
        Reply::now(Err(Error::NotSupported))
    }

    /// Makes all that was written to the object stable; `len` 0 is to the end. Answers the
    /// verifier: equal to the one of a write, that write is safe.
    ///
    /// - [`IsDirectory`](crate::Error::IsDirectory), [`IsSymlink`](crate::Error::IsSymlink),
    ///   [`WrongType`](crate::Error::WrongType): it is no regular file.
    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        let _ = (node, offset, len);
        Reply::now(Ok(0))
    }

    /// Prepares locks towards local processes on a regular file. The answer stands for one holder,
    /// whose own locks are never in each other's way; when it is dropped, nothing is locked any
    /// more. `open` is an open file of whoever locks first: where the server may not open the file
    /// by itself, locks are as `open` allows. None: to test for locks only.
    ///
    /// - [`NotSupported`](crate::Error::NotSupported): there is nothing local to ask.
    /// - [`AccessDenied`](crate::Error::AccessDenied): the server may not open the file.
    /// - [`Busy`](crate::Error::Busy): also where too many files are locked.
    /// - [`IsDirectory`](crate::Error::IsDirectory), [`IsSymlink`](crate::Error::IsSymlink),
    ///   [`WrongType`](crate::Error::WrongType): it is no regular file.
    fn open_locks<'a>(&'a self, node: &'a Handle, open: Option<&'a File>) -> Reply<'a, File> {
        let _ = (node, open);
        Reply::now(Err(Error::NotSupported))
    }

    /// Locks and unlocks ranges, one after the other, without waiting for anybody. The first that
    /// a local process is in the way of ends it: the answer says what it holds; steps before that
    /// one are done. What is less than before, or as before, is in nobody's way.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the file could not be opened for this kind.
    /// - [`NotSupported`](crate::Error::NotSupported): locks turn out not to work here: there is
    ///   nothing local to ask, from now on.
    fn lock_ranges<'a>(&'a self, locks: &'a File, steps: &'a [LockStep]) -> Reply<'a, Locked> {
        let _ = (locks, steps);
        Reply::now(Err(Error::NotSupported))
    }

    /// What [`FileSystem::lock_ranges`] would answer to this step; nothing is locked.
    ///
    /// - [`NotSupported`](crate::Error::NotSupported): as there.
    fn test_range<'a>(&'a self, locks: &'a File, step: LockStep) -> Reply<'a, Locked> {
        let _ = (locks, step);
        Reply::now(Err(Error::NotSupported))
    }

    /// Space and files, as the caller may use them.
    fn space<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        let _ = (cred, node);
        Reply::now(Ok(Space::default()))
    }

    /// The value of an extended attribute. Names are of the one namespace that users have, without
    /// its prefix (RFC 8276 §5).
    ///
    /// Common to the four methods of extended attributes:
    /// - [`NotSupported`](crate::Error::NotSupported): there are none ([`Properties::xattrs`]), or
    ///   not on this object.
    /// - [`BadName`](crate::Error::BadName): a name is empty or has NUL in it.
    /// - [`NameTooLong`](crate::Error::NameTooLong): a name exceeds
    ///   [`XATTR_NAME_MAX`](crate::XATTR_NAME_MAX).
    ///
    /// Of this one:
    /// - [`NoXattr`](crate::Error::NoXattr): there is no such attribute. Only regular files and
    ///   directories have any.
    /// - [`AccessDenied`](crate::Error::AccessDenied): the caller may not read the object.
    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        let _ = (cred, node, name);
        Reply::now(Err(Error::NotSupported))
    }

    /// Sets an extended attribute. Answers the object's change.
    ///
    /// - [`Exists`](crate::Error::Exists), [`NoXattr`](crate::Error::NoXattr): it exists or does
    ///   not, and `how` forbids that.
    /// - [`XattrTooBig`](crate::Error::XattrTooBig): the value exceeds
    ///   [`XATTR_VALUE_MAX`](crate::XATTR_VALUE_MAX).
    /// - [`AccessDenied`](crate::Error::AccessDenied): the caller may not write the object.
    /// - [`NotPermitted`](crate::Error::NotPermitted): it is neither a regular file nor a
    ///   directory, or a sticky directory of somebody else.
    /// - [`NoSpace`](crate::Error::NoSpace): also where one object has as many as it can have:
    ///   their names never exceed [`XATTR_LIST_MAX`](crate::XATTR_LIST_MAX).
    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        let _ = (cred, node, name, value, how);
        Reply::now(Err(Error::NotSupported))
    }

    /// The names of all extended attributes, in any order.
    ///
    /// - [`AccessDenied`](crate::Error::AccessDenied): the caller may not read the object.
    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        let _ = (cred, node);
        Reply::now(Err(Error::NotSupported))
    }

    /// Removes an extended attribute. Answers the object's change.
    ///
    /// - [`NoXattr`](crate::Error::NoXattr): there is no such attribute.
    /// - [`AccessDenied`](crate::Error::AccessDenied),
    ///   [`NotPermitted`](crate::Error::NotPermitted): as for setting one.
    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let _ = (cred, node, name);
        Reply::now(Err(Error::NotSupported))
    }
}

fn granted(attr: crate::Result<Attr>, cred: &Cred, want: Access) -> crate::Result<Access> {
    attr.map(|attr| access::granted(cred, &attr, want))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Bytes(Vec<u8>, usize);

    impl ReadSink for Bytes {
        fn buf(&mut self, len: usize) -> &mut [u8] {
            self.0.resize(self.1 + len, 0);
            &mut self.0[self.1..]
        }

        fn filled(&mut self, len: usize) {
            self.1 += len;
        }
    }

    #[test]
    fn a_slice_is_read_as_a_file_of_its_contents() {
        let cases: [(u64, usize, &[u8], bool); 6] = [
            (0, 3, b"abc", false),
            (0, 5, b"abcde", true),
            (3, 100, b"de", true),
            (5, 1, b"", true),
            (u64::MAX, 1, b"", true),
            (2, 0, b"", false),
        ];
        for (offset, len, data, eof) in cases {
            let mut sink = Bytes::default();
            let end = sink.slice(b"abcde", offset, len);
            assert_eq!((&sink.0[..], end), (data, ReadEnd { count: data.len(), eof }));
        }
    }
}

//! Methods of [`FileSystem`](crate::FileSystem) that a wrapper hands on to the file system in it:
//! their signatures, once.

/// Implements the named methods, or `all` that answer a [`Reply`](crate::Reply), in an
/// `impl FileSystem` block, each by calling the wrapper's own
///
/// ```text
/// fn forward<'a, T: Send + Unpin + 'a>(
///     &'a self,
///     method: &'static str,
///     call: impl FnOnce(&'a Inner) -> Reply<'a, T> + Send + 'a,
/// ) -> Reply<'a, T>;
/// ```
#[macro_export]
macro_rules! forward {
    (all) => {
        $crate::forward!(getattr, setattr, access, lookup, lookup_parent, readlink);
        $crate::forward!(open, create, make_node, remove, rename, link, readdir);
        $crate::forward!(read, read_plus, seek, write, allocate, deallocate);
        $crate::forward!(clone_range, copy_range, advise, commit, space);
        $crate::forward!(getxattr, setxattr, listxattrs, removexattr);
        $crate::forward!(open_locks, lock_ranges, test_range);
    };

    (getattr) => { $crate::forward!(@getattr(cred: &'a $crate::Cred, node: &'a $crate::Handle)
        -> $crate::Attr); };
    (setattr) => { $crate::forward!(@setattr(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        file: Option<&'a $crate::File>, set: &'a $crate::SetAttr) -> ()); };
    (access) => { $crate::forward!(@access(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        want: $crate::Access) -> $crate::Access); };
    (lookup) => { $crate::forward!(@lookup(cred: &'a $crate::Cred, dir: &'a $crate::Handle,
        name: &'a [u8]) -> $crate::Handle); };
    (lookup_parent) => { $crate::forward!(@lookup_parent(cred: &'a $crate::Cred,
        dir: &'a $crate::Handle) -> $crate::Handle); };
    (readlink) => { $crate::forward!(@readlink(cred: &'a $crate::Cred, node: &'a $crate::Handle)
        -> Vec<u8>); };
    (open) => { $crate::forward!(@open(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        mode: $crate::OpenMode, owner_override: bool) -> $crate::File); };
    (create) => { $crate::forward!(@create(cred: &'a $crate::Cred, dir: &'a $crate::Handle,
        name: &'a [u8], how: &'a $crate::CreateHow, mode: $crate::OpenMode)
        -> $crate::Created); };
    (make_node) => { $crate::forward!(@make_node(cred: &'a $crate::Cred, dir: &'a $crate::Handle,
        name: &'a [u8], kind: $crate::NewNode<'a>, attrs: &'a $crate::SetAttr)
        -> ($crate::Handle, $crate::ChangeInfo)); };
    (remove) => { $crate::forward!(@remove(cred: &'a $crate::Cred, dir: &'a $crate::Handle,
        name: &'a [u8]) -> $crate::ChangeInfo); };
    (rename) => { $crate::forward!(@rename(cred: &'a $crate::Cred,
        from: (&'a $crate::Handle, &'a [u8]), to: (&'a $crate::Handle, &'a [u8]))
        -> ($crate::ChangeInfo, $crate::ChangeInfo)); };
    (link) => { $crate::forward!(@link(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        dir: &'a $crate::Handle, name: &'a [u8]) -> $crate::ChangeInfo); };
    (readdir) => { $crate::forward!(@readdir(cred: &'a $crate::Cred, dir: &'a $crate::Handle,
        cookie: u64, room: usize, want: $crate::Want, sink: &'a mut dyn $crate::DirSink)
        -> $crate::DirEnd); };
    (read) => { $crate::forward!(@read(file: &'a $crate::File, offset: u64, len: usize,
        sink: &'a mut dyn $crate::ReadSink) -> $crate::ReadEnd); };
    (read_plus) => { $crate::forward!(@read_plus(file: &'a $crate::File, offset: u64, len: usize,
        sink: &'a mut dyn $crate::ReadSink) -> $crate::ReadEnd); };
    (seek) => { $crate::forward!(@seek(file: &'a $crate::File, offset: u64,
        what: $crate::Content) -> Option<u64>); };
    (write) => { $crate::forward!(@write(cred: &'a $crate::Cred, file: &'a $crate::File,
        offset: u64, data: &'a [u8], stability: $crate::Stability) -> $crate::Written); };
    (allocate) => { $crate::forward!(@allocate(cred: &'a $crate::Cred, file: &'a $crate::File,
        offset: u64, len: u64) -> ()); };
    (deallocate) => { $crate::forward!(@deallocate(cred: &'a $crate::Cred, file: &'a $crate::File,
        offset: u64, len: u64) -> ()); };
    (clone_range) => { $crate::forward!(@clone_range(cred: &'a $crate::Cred,
        from: (&'a $crate::File, u64), to: (&'a $crate::File, u64), len: u64) -> ()); };
    (copy_range) => { $crate::forward!(@copy_range(cred: &'a $crate::Cred,
        from: (&'a $crate::File, u64), to: (&'a $crate::File, u64), len: u64)
        -> $crate::Written); };
    (advise) => { $crate::forward!(@advise(file: &'a $crate::File, offset: u64, len: u64,
        advice: $crate::Advice) -> ()); };
    (commit) => { $crate::forward!(@commit(node: &'a $crate::Handle, offset: u64, len: u64)
        -> u64); };
    (space) => { $crate::forward!(@space(cred: &'a $crate::Cred, node: &'a $crate::Handle)
        -> $crate::Space); };

    (getxattr) => { $crate::forward!(@getxattr(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        name: &'a [u8]) -> Vec<u8>); };
    (setxattr) => { $crate::forward!(@setxattr(cred: &'a $crate::Cred, node: &'a $crate::Handle,
        name: &'a [u8], value: &'a [u8], how: $crate::XattrHow) -> $crate::ChangeInfo); };
    (listxattrs) => { $crate::forward!(@listxattrs(cred: &'a $crate::Cred,
        node: &'a $crate::Handle) -> Vec<Vec<u8>>); };
    (removexattr) => { $crate::forward!(@removexattr(cred: &'a $crate::Cred,
        node: &'a $crate::Handle, name: &'a [u8]) -> $crate::ChangeInfo); };

    (open_locks) => { $crate::forward!(@open_locks(node: &'a $crate::Handle,
        open: Option<&'a $crate::File>) -> $crate::File); };
    (lock_ranges) => { $crate::forward!(@lock_ranges(locks: &'a $crate::File,
        steps: &'a [$crate::LockStep]) -> $crate::Locked); };
    (test_range) => { $crate::forward!(@test_range(locks: &'a $crate::File,
        step: $crate::LockStep) -> $crate::Locked); };

    (@$method:ident($($arg:ident: $type:ty),+) -> $answer:ty) => {
        fn $method<'a>(&'a self, $($arg: $type),+) -> $crate::Reply<'a, $answer> {
            self.forward(stringify!($method), move |inner| inner.$method($($arg),+))
        }
    };
    ($first:ident, $($rest:ident),+) => {
        $crate::forward!($first);
        $($crate::forward!($rest);)+
    };
}

//! The read-only tree above several exports: directories only, all there from the start.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::{
    Access, Attr, ChangeAttrType, ChangeInfo, CreateHow, Created, Cred, DirEnd, DirEntry, DirSink,
    Error, File, FileKind, FileSystem, Fsid, Handle, NAME_MAX, NewNode, OpenMode, Properties,
    ReadEnd, ReadSink, Reply, Result, SetAttr, Space, Stability, Time, Want, Written, check_name,
};

const HANDLE_LEN: usize = 16;
const MODE: u32 = 0o555;
/// RFC 8881 §18.23.3 keeps 0 to 2 from being an entry's cookie.
const FIRST_COOKIE: u64 = 3;

/// The directories that lead to the exports. A handle is made from a node's path, so it stays
/// good over a restart for as long as an export needs the path.
pub struct PseudoFs {
    fsid: Fsid,
    /// In the order of their paths: the root is the first.
    nodes: Vec<Node>,
    by_handle: HashMap<Handle, usize>,
    /// The node of each export, in the order the paths were given in.
    mounts: Vec<usize>,
}

struct Node {
    handle: Handle,
    /// Changes when the paths below do.
    change: u64,
    parent: Option<usize>,
    /// By name, in order.
    children: Vec<(Box<[u8]>, usize)>,
    subdirs: u32,
    junction: Option<usize>,
}

/// Why export paths cannot be joined to one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The path does not start with `/`.
    Relative(String),
    /// The path has an empty part: `//`, or `/` at its end.
    EmptyPart(String),
    /// The path has `.` or `..` in it.
    Dots(String),
    /// A part of the path is longer than [`NAME_MAX`] or has NUL in it.
    BadPart(String),
    /// The path is given twice.
    Twice(String),
    /// The path lies below another export, and that one's own files are there.
    Below {
        /// The lower path.
        path: String,
        /// The export above it.
        export: String,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(path) => write!(f, "export path {path:?} does not start with '/'"),
            Self::EmptyPart(path) => write!(f, "export path {path:?} has an empty part"),
            Self::Dots(path) => write!(f, "export path {path:?} has '.' or '..' in it"),
            Self::BadPart(path) => write!(f, "export path {path:?} has a part that is no name"),
            Self::Twice(path) => write!(f, "export path {path:?} is given twice"),
            Self::Below { path, export } => {
                let below = "lies below the export";
                write!(f, "export path {path:?} {below} {export:?}, whose files are there")
            }
        }
    }
}

impl std::error::Error for PathError {}

impl PseudoFs {
    /// The tree for exports at these absolute paths; `/` can only stand alone.
    ///
    /// # Errors
    /// What is wrong with a path.
    pub fn new(paths: &[&str], fsid: Fsid) -> std::result::Result<Self, PathError> {
        let mut tree = BTreeMap::from([(String::from("/"), None)]);
        for (index, path) in paths.iter().enumerate() {
            check_path(path)?;
            for (at, _) in path.match_indices('/').skip(1) {
                tree.entry(path[..at].to_owned()).or_insert(None);
            }
            let place = tree.entry((*path).to_owned()).or_insert(None);
            if place.replace(index).is_some() {
                return Err(PathError::Twice((*path).to_owned()));
            }
        }
        check_nesting(&tree)?;
        Ok(Self::build(&tree, paths.len(), fsid))
    }

    /// The export mounted on a node: its index among the paths.
    pub fn junction(&self, node: &Handle) -> Option<usize> {
        self.nodes[*self.by_handle.get(node)?].junction
    }

    /// The node that the export of this index is mounted on.
    ///
    /// # Panics
    /// When there is no such export.
    pub fn mount_point(&self, index: usize) -> Handle {
        self.nodes[self.mounts[index]].handle
    }

    fn build(tree: &BTreeMap<String, Option<usize>>, exports: usize, fsid: Fsid) -> Self {
        let numbers: HashMap<&str, usize> =
            tree.keys().enumerate().map(|(number, path)| (path.as_str(), number)).collect();
        let mut nodes: Vec<Node> = Vec::with_capacity(tree.len());
        let mut mounts = vec![0; exports];
        for (number, (path, junction)) in tree.iter().enumerate() {
            let (above, name) = path.rsplit_once('/').unwrap_or_default();
            let above = if above.is_empty() { "/" } else { above };
            let parent = (!name.is_empty()).then(|| numbers[above]);
            if let Some(parent) = parent {
                nodes[parent].children.push((name.as_bytes().into(), number));
                nodes[parent].subdirs += 1;
            }
            // Who looks at a node sees its children, and through them all that lies below.
            let mut over = parent;
            while let Some(node) = over {
                nodes[node].change ^= hash(path, CHANGE_SEED);
                over = nodes[node].parent;
            }
            if let Some(index) = junction {
                mounts[*index] = number;
            }
            nodes.push(Node {
                handle: handle(path),
                change: hash(path, CHANGE_SEED),
                parent,
                children: Vec::new(),
                subdirs: 0,
                junction: *junction,
            });
        }
        for node in &mut nodes {
            node.children.sort();
        }
        let by_handle = nodes.iter().enumerate().map(|(at, node)| (node.handle, at)).collect();
        Self { fsid, nodes, by_handle, mounts }
    }

    fn resolve(&self, handle: &Handle) -> Result<usize> {
        if handle.len() != HANDLE_LEN {
            return Err(Error::BadHandle);
        }
        self.by_handle.get(handle).copied().ok_or(Error::Stale)
    }

    fn node(&self, handle: &Handle) -> Result<&Node> {
        self.resolve(handle).map(|number| &self.nodes[number])
    }

    fn attr(&self, number: usize) -> Attr {
        let node = &self.nodes[number];
        Attr {
            kind: FileKind::Directory,
            mode: MODE,
            nlink: 2 + node.subdirs,
            uid: 0,
            gid: 0,
            size: 0,
            used: 0,
            fileid: fileid(number),
            fsid: self.fsid,
            mounted_on: None,
            rdev: (0, 0),
            change: node.change,
            atime: Time::default(),
            mtime: Time::default(),
            ctime: Time::default(),
            btime: None,
        }
    }

    fn find(&self, dir: &Handle, name: &[u8]) -> Result<Handle> {
        check_name(name)?;
        let children = &self.node(dir)?.children;
        let at = children.binary_search_by(|(child, _)| (**child).cmp(name));
        let at = at.map_err(|_| Error::NotFound)?;
        Ok(self.nodes[children[at].1].handle)
    }

    fn list(
        &self,
        dir: &Handle,
        cookie: u64,
        want: Want,
        sink: &mut dyn DirSink,
    ) -> Result<DirEnd> {
        let children = &self.node(dir)?.children;
        let done = match cookie {
            0 => 0,
            _ => cookie.checked_sub(FIRST_COOKIE - 1).ok_or(Error::BadCookie)?,
        };
        let done = usize::try_from(done).map_err(|_| Error::BadCookie)?;
        if done > children.len() || (done == 0 && cookie > 0) {
            return Err(Error::BadCookie);
        }
        let eof = children.iter().enumerate().skip(done).all(|(at, (name, number))| {
            sink.entry(&DirEntry {
                name,
                cookie: at as u64 + FIRST_COOKIE,
                fileid: fileid(*number),
                attr: want.attr.then(|| Ok(self.attr(*number))),
                handle: want.handle.then(|| self.nodes[*number].handle),
            })
        });
        Ok(DirEnd { eof })
    }

    /// Why a node is not changed.
    fn refusal(&self, node: &Handle) -> Error {
        self.resolve(node).err().unwrap_or(Error::ReadOnly)
    }

    /// Why a name is not changed.
    fn name_refusal(&self, dir: &Handle, name: &[u8]) -> Error {
        check_name(name).err().unwrap_or_else(|| self.refusal(dir))
    }
}

impl FileSystem for PseudoFs {
    fn properties(&self) -> Properties {
        Properties {
            name_max: NAME_MAX as u32,
            link_max: u32::MAX,
            size_max: 0,
            time_granularity_ns: 1,
            symlinks: false,
            links: false,
            chown_restricted: true,
            durable_handles: true,
            xattrs: false,
            local_locks: false,
            change_attr_type: ChangeAttrType::Undefined,
            clone_block: None,
        }
    }

    fn root(&self) -> Handle {
        self.nodes[0].handle
    }

    fn getattr<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        Reply::now(self.resolve(node).map(|number| self.attr(number)))
    }

    fn setattr<'a>(
        &'a self,
        _: &'a Cred,
        node: &'a Handle,
        _: Option<&'a File>,
        _: &'a SetAttr,
    ) -> Reply<'a, ()> {
        Reply::now(Err(self.refusal(node)))
    }

    fn access<'a>(&'a self, _: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        let granted = want.intersect(Access::READ.union(Access::LOOKUP));
        Reply::now(self.resolve(node).map(|_| granted))
    }

    fn lookup<'a>(&'a self, _: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        Reply::now(self.find(dir, name))
    }

    fn lookup_parent<'a>(&'a self, _: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        let parent = |node: &Node| node.parent.ok_or(Error::NotFound);
        Reply::now(self.node(dir).and_then(parent).map(|number| self.nodes[number].handle))
    }

    fn readlink<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        Reply::now(self.resolve(node).and(Err(Error::Invalid)))
    }

    fn open<'a>(&'a self, _: &'a Cred, node: &'a Handle, _: OpenMode, _: bool) -> Reply<'a, File> {
        Reply::now(self.resolve(node).and(Err(Error::IsDirectory)))
    }

    fn create<'a>(
        &'a self,
        _: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        _: &'a CreateHow,
        _: OpenMode,
    ) -> Reply<'a, Created> {
        Reply::now(Err(self.name_refusal(dir, name)))
    }

    fn make_node<'a>(
        &'a self,
        _: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        _: NewNode<'a>,
        _: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        Reply::now(Err(self.name_refusal(dir, name)))
    }

    fn remove<'a>(&'a self, _: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, ChangeInfo> {
        Reply::now(Err(self.name_refusal(dir, name)))
    }

    fn rename<'a>(
        &'a self,
        _: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        let mut refusal = self.name_refusal(from.0, from.1);
        if refusal == Error::ReadOnly {
            refusal = self.name_refusal(to.0, to.1);
        }
        Reply::now(Err(refusal))
    }

    fn link<'a>(
        &'a self,
        _: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        if let Err(error) = self.resolve(node) {
            return Reply::now(Err(error));
        }
        Reply::now(Err(self.name_refusal(dir, name)))
    }

    fn readdir<'a>(
        &'a self,
        _: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        _: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        Reply::now(self.list(dir, cookie, want, sink))
    }

    fn read<'a>(
        &'a self,
        _: &'a File,
        _: u64,
        _: usize,
        _: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        Reply::now(Err(Error::Invalid))
    }

    fn write<'a>(
        &'a self,
        _: &'a Cred,
        _: &'a File,
        _: u64,
        _: &'a [u8],
        _: Stability,
    ) -> Reply<'a, Written> {
        Reply::now(Err(Error::ReadOnly))
    }

    fn commit<'a>(&'a self, node: &'a Handle, _: u64, _: u64) -> Reply<'a, u64> {
        Reply::now(self.resolve(node).and(Err(Error::IsDirectory)))
    }

    fn space<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        Reply::now(self.resolve(node).map(|_| Space::default()))
    }
}

fn check_path(path: &str) -> std::result::Result<(), PathError> {
    let wrong = |error: fn(String) -> PathError| Err(error(path.to_owned()));
    let Some(parts) = path.strip_prefix('/') else { return wrong(PathError::Relative) };
    if parts.is_empty() {
        return Ok(());
    }
    for part in parts.split('/') {
        match part {
            "" => return wrong(PathError::EmptyPart),
            "." | ".." => return wrong(PathError::Dots),
            _ if part.len() > NAME_MAX || part.contains('\0') => return wrong(PathError::BadPart),
            _ => {}
        }
    }
    Ok(())
}

/// No export below another.
fn check_nesting(tree: &BTreeMap<String, Option<usize>>) -> std::result::Result<(), PathError> {
    let is_export = |path: &str| tree.get(path).is_some_and(Option::is_some);
    for path in tree.keys().filter(|path| *path != "/" && is_export(path)) {
        let above = path.match_indices('/').map(|(at, _)| &path[..at.max(1)]);
        if let Some(export) = above.into_iter().find(|above| is_export(above)) {
            let (path, export) = (path.clone(), export.to_owned());
            return Err(PathError::Below { path, export });
        }
    }
    Ok(())
}

const fn fileid(number: usize) -> u64 {
    number as u64 + 1
}

const CHANGE_SEED: u64 = 0x6368_616e_6765_2121;

fn handle(path: &str) -> Handle {
    let mut bytes = [0; HANDLE_LEN];
    bytes[..8].copy_from_slice(&hash(path, 0x686f_6c64_6661_7374).to_be_bytes());
    bytes[8..].copy_from_slice(&hash(path, 0x7073_6575_646f_6673).to_be_bytes());
    Handle::new(&bytes).expect("a handle has more room than this")
}

/// FNV-1a from a seed, with its bits spread. Handles are made of it: it must stay as it is.
fn hash(path: &str, seed: u64) -> u64 {
    let fnv = path.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15 | seed);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests;

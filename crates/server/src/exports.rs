//! What is exported, how file handles name it, and how the exports join into one tree.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use holdfast_base::InlineBytes;
use holdfast_engine::server::FileKey;
use holdfast_proto::nfs4::{Fsid, Status};
use holdfast_vfs::pseudo::PseudoFs;
use holdfast_vfs::{Attr, Cred, FileSystem, Groups, Handle};

use crate::owners::Owners;
use crate::principal::NOBODY;

/// The first byte of every file handle: the version of their form.
const HANDLE_VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;
const PSEUDO_ID: u32 = 0;
/// Bytes of the path of an export.
const PATH_MAX: usize = 1024;
const PSEUDO_FSID: holdfast_vfs::Fsid = holdfast_vfs::Fsid { major: 0, minor: 0 };

/// Whose rights are taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Squash {
    /// Nobody's.
    None,
    /// The privileged user's: root acts as nobody.
    #[default]
    Root,
    /// Everybody's.
    All,
}

/// One exported file system.
#[derive(Clone)]
pub struct Export {
    /// Where clients find it: `/`, or `/name`.
    pub path: String,
    /// The files.
    pub fs: Arc<dyn FileSystem>,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Whose rights are taken away.
    pub squash: Squash,
    /// The user a squashed caller acts as.
    pub anon_uid: u32,
    /// The group a squashed caller acts as.
    pub anon_gid: u32,
    /// Who knows owners by name.
    pub(crate) owners: Option<Arc<dyn Owners>>,
    id: u32,
}

impl Export {
    /// An export that is writable and squashes root to nobody.
    pub fn new(path: impl Into<String>, fs: Arc<dyn FileSystem>) -> Self {
        let path = path.into();
        let id = Self::id_of(&path);
        let (anon_uid, anon_gid) = (NOBODY, NOBODY);
        let (read_only, squash, owners) = (false, Squash::Root, None);
        Self { path, fs, read_only, squash, anon_uid, anon_gid, owners, id }
    }

    /// The id that file handles carry for the export of this path: the same after every restart,
    /// whatever else is exported.
    pub fn id_of(path: &str) -> u32 {
        let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        path.bytes().fold(0x811c_9dc5, fnv).max(PSEUDO_ID + 1)
    }

    /// Refuses changes.
    #[must_use]
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets whose rights are taken away.
    #[must_use]
    pub const fn squash(mut self, squash: Squash) -> Self {
        self.squash = squash;
        self
    }

    /// Sets the user and the group that a squashed caller acts as; 65534 both unless set.
    #[must_use]
    pub const fn anonymous(mut self, uid: u32, gid: u32) -> Self {
        self.anon_uid = uid;
        self.anon_gid = gid;
        self
    }

    /// Sets who knows the owners that clients give as `name@domain`; they are refused unless set.
    #[must_use]
    pub fn owners(mut self, owners: Arc<dyn Owners>) -> Self {
        self.owners = Some(owners);
        self
    }

    /// The rights a caller has here.
    pub(crate) fn cred(&self, caller: &Cred) -> Cred {
        let nobody = Cred { uid: self.anon_uid, gid: self.anon_gid, groups: Groups::NONE };
        match self.squash {
            Squash::None => *caller,
            Squash::Root if caller.uid == 0 => nobody,
            Squash::Root => Cred { gid: self.squash_gid(caller.gid), ..self.squash_groups(caller) },
            Squash::All => nobody,
        }
    }

    fn squash_groups(&self, caller: &Cred) -> Cred {
        if !caller.groups.as_slice().contains(&0) {
            return *caller;
        }
        let mut gids = [0; Groups::MAX];
        let groups = caller.groups.as_slice();
        for (place, gid) in gids.iter_mut().zip(groups) {
            *place = self.squash_gid(*gid);
        }
        Cred { groups: Groups::new(&gids[..groups.len()]), ..*caller }
    }

    const fn squash_gid(&self, gid: u32) -> u32 {
        if gid == 0 { self.anon_gid } else { gid }
    }

    /// The `fsid` clients see: two exports of one file system are two to them, because their
    /// handles differ.
    pub(crate) const fn fsid(&self, attr: &Attr) -> Fsid {
        let major = attr.fsid.major ^ attr.fsid.minor.rotate_left(32);
        Fsid { major, minor: self.id as u64 }
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({})", self.path)
    }
}

/// The exports cannot be joined into one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportError {
    /// There are none.
    Empty,
    /// There are more than 65,535.
    TooMany,
    /// The ids of two paths are the same: one must be renamed.
    SameId(String, String),
    /// The path, whose beginning this is, has more than 1024 bytes.
    TooLong(String),
    /// The paths do not make a tree.
    Path(String),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is nothing to export"),
            Self::TooMany => f.write_str("there are more than 65535 exports"),
            Self::SameId(a, b) => write!(f, "exports {a} and {b} have the same id: rename one"),
            Self::TooLong(start) => {
                write!(f, "export path {start:?}... has more than {PATH_MAX} bytes")
            }
            Self::Path(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ExportError {}

/// An object by export and handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fh {
    pub(crate) export: u16,
    pub(crate) node: Handle,
}

/// All exports of an instance, and the tree above them.
pub struct Exports {
    list: Vec<Export>,
    pseudo: Option<Arc<PseudoFs>>,
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Exports {
    /// Joins exports into one tree. A single export with the path `/` is the tree.
    ///
    /// # Errors
    /// The paths cannot be joined.
    pub fn new(mut list: Vec<Export>) -> Result<Self, ExportError> {
        let paths: Vec<_> = list.iter().map(|export| export.path.as_str()).collect();
        let Some(pseudo) = tree(&paths)? else { return Ok(Self { list, pseudo: None }) };
        let pseudo = Arc::new(pseudo);
        let top = Export { id: PSEUDO_ID, ..Export::new("", pseudo.clone()) };
        list.push(top.read_only(true).squash(Squash::None));
        Ok(Self { list, pseudo: Some(pseudo) })
    }

    /// Whether exports at these paths can be joined into one tree.
    ///
    /// # Errors
    /// They cannot be joined.
    pub fn check(paths: &[&str]) -> Result<(), ExportError> {
        tree(paths).map(drop)
    }

    /// The exports, without the tree above them.
    pub fn iter(&self) -> impl Iterator<Item = &Export> {
        self.list.iter().filter(|export| export.id != PSEUDO_ID)
    }

    /// The path of an export by its place in the list.
    pub(crate) fn path(&self, at: u16) -> Option<&str> {
        self.list.get(usize::from(at)).map(|export| export.path.as_str())
    }

    pub(crate) fn get(&self, fh: &Fh) -> &Export {
        &self.list[usize::from(fh.export)]
    }

    /// The root of all.
    pub(crate) fn root(&self) -> Fh {
        let export = if self.pseudo.is_some() { self.list.len() - 1 } else { 0 };
        self.root_of(export)
    }

    fn root_of(&self, export: usize) -> Fh {
        Fh { export: export as u16, node: self.list[export].fs.root() }
    }

    /// What a looked-up object of the tree above stands for: itself, or an export's root.
    pub(crate) fn cross(&self, fh: Fh) -> Fh {
        let junction = self.pseudo_of(&fh).and_then(|pseudo| pseudo.junction(&fh.node));
        junction.map_or(fh, |export| self.root_of(export))
    }

    /// The node of the tree above that an export's root covers.
    pub(crate) fn covered(&self, fh: &Fh) -> Option<Fh> {
        let pseudo = self.pseudo.as_ref()?;
        let export = usize::from(fh.export);
        if export == self.list.len() - 1 || fh.node != self.list[export].fs.root() {
            return None;
        }
        let top = (self.list.len() - 1) as u16;
        Some(Fh { export: top, node: pseudo.mount_point(export) })
    }

    /// The tree above, when `fh` is in it.
    pub(crate) fn pseudo_of(&self, fh: &Fh) -> Option<&Arc<PseudoFs>> {
        if usize::from(fh.export) == self.list.len() - 1 { self.pseudo.as_ref() } else { None }
    }

    /// An object's file handle.
    pub(crate) fn handle(&self, fh: &Fh) -> FileKey {
        self.handle_of(self.get(fh), &fh.node)
    }

    /// The file handle of an object of an export.
    #[expect(clippy::unused_self, reason = "handles are the table's to make")]
    pub(crate) fn handle_of(&self, export: &Export, node: &Handle) -> FileKey {
        let mut wire = InlineBytes::empty();
        let id = export.id.to_be_bytes();
        let fits = wire
            .push(&[HANDLE_VERSION])
            .and_then(|()| wire.push(&id))
            .and_then(|()| wire.push(node.as_slice()));
        debug_assert!(fits.is_ok(), "HANDLE_MAX leaves room for the header");
        wire
    }

    /// The object of a file handle.
    ///
    /// # Errors
    /// - `BADHANDLE`: it was not made here.
    /// - `STALE`: its export is gone.
    pub(crate) fn object(&self, wire: &[u8]) -> Result<Fh, Status> {
        let (header, node) = wire.split_at_checked(HEADER_BYTES).ok_or(Status::BADHANDLE)?;
        let [version, id @ ..] = header else { return Err(Status::BADHANDLE) };
        if *version != HANDLE_VERSION || node.is_empty() {
            return Err(Status::BADHANDLE);
        }
        let id = u32::from_be_bytes(id.try_into().map_err(|_| Status::BADHANDLE)?);
        let export = self.list.iter().position(|export| export.id == id).ok_or(Status::STALE)?;
        let node = Handle::new(node).map_err(|_| Status::BADHANDLE)?;
        Ok(Fh { export: export as u16, node })
    }
}

/// The tree above exports at these paths; a single one at `/` needs none.
fn tree(paths: &[&str]) -> Result<Option<PseudoFs>, ExportError> {
    if paths.is_empty() {
        return Err(ExportError::Empty);
    }
    if paths.len() >= usize::from(u16::MAX) {
        return Err(ExportError::TooMany);
    }
    if let Some(path) = paths.iter().find(|path| path.len() > PATH_MAX) {
        return Err(ExportError::TooLong(path.chars().take(40).collect()));
    }
    let pseudo = PseudoFs::new(paths, PSEUDO_FSID);
    let pseudo = pseudo.map_err(|error| ExportError::Path(error.to_string()))?;
    let mut ids = BTreeMap::new();
    for path in paths {
        if let Some(twin) = ids.insert(Export::id_of(path), *path) {
            return Err(ExportError::SameId(twin.to_owned(), (*path).to_owned()));
        }
    }
    Ok((paths != ["/"]).then_some(pseudo))
}

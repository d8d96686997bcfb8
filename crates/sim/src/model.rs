//! What one user's files should be: a plain tree, changed by one step at a time.

use std::collections::BTreeMap;

use holdfast_proto::nfs4::Status;

/// Names an object of the model.
pub type NodeId = u64;

/// The directory at the top.
pub const ROOT: NodeId = 0;

/// What an object holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Bytes.
    File(Vec<u8>),
    /// Names.
    Dir(BTreeMap<String, NodeId>),
    /// A text.
    Symlink(String),
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it holds.
    pub body: Body,
    /// How many names it has.
    pub names: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Its extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// A tree. Objects without a name stay in it: somebody may have them open.
#[derive(Clone, Debug)]
pub struct Model {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
}

impl Default for Model {
    fn default() -> Self {
        let root = Node {
            body: Body::Dir(BTreeMap::new()),
            names: 1,
            mode: 0o755,
            xattrs: BTreeMap::new(),
        };
        Self { nodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1 }
    }
}

/// A change of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A regular file, where no name is.
    Guarded(NodeId, String),
    /// A regular file, if there is none.
    Unchecked(NodeId, String),
    /// A regular file, unless this very request made it.
    Exclusive(NodeId, String),
    /// A directory.
    Mkdir(NodeId, String),
    /// A symbolic link with this text.
    Symlink(NodeId, String, String),
    /// Another name of an object.
    Link(NodeId, NodeId, String),
    /// A name less.
    Remove(NodeId, String),
    /// A name moved.
    Rename(NodeId, String, NodeId, String),
}

impl Model {
    /// An object.
    ///
    /// # Panics
    /// When it was never made.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).unwrap_or_else(|| panic!("object {id} was never made"))
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("object {id} was never made"))
    }

    /// The names of a directory.
    ///
    /// # Errors
    /// `NOTDIR`: it is none.
    pub fn entries(&self, dir: NodeId) -> Result<&BTreeMap<String, NodeId>, Status> {
        match &self.node(dir).body {
            Body::Dir(entries) => Ok(entries),
            Body::File(_) | Body::Symlink(_) => Err(Status::NOTDIR),
        }
    }

    fn entries_mut(&mut self, dir: NodeId) -> &mut BTreeMap<String, NodeId> {
        match &mut self.node_mut(dir).body {
            Body::Dir(entries) => entries,
            Body::File(_) | Body::Symlink(_) => panic!("object {dir} is no directory"),
        }
    }

    /// Whether an object is a directory.
    pub fn is_dir(&self, id: NodeId) -> bool {
        matches!(self.node(id).body, Body::Dir(_))
    }

    /// The bytes of a regular file.
    pub fn bytes(&self, id: NodeId) -> Option<&Vec<u8>> {
        match &self.node(id).body {
            Body::File(bytes) => Some(bytes),
            Body::Dir(_) | Body::Symlink(_) => None,
        }
    }

    /// All objects with a name: the directory, the name, the object.
    pub fn all(&self) -> Vec<(NodeId, String, NodeId)> {
        let mut found = Vec::new();
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop() {
            for (name, id) in self.entries(dir).into_iter().flatten() {
                found.push((dir, name.clone(), *id));
                if self.is_dir(*id) {
                    dirs.push(*id);
                }
            }
        }
        found
    }

    /// The link count of an object.
    pub fn links(&self, id: NodeId) -> u32 {
        match &self.node(id).body {
            Body::Dir(entries) => {
                2 + entries.values().filter(|id| self.is_dir(**id)).count() as u32
            }
            Body::File(_) | Body::Symlink(_) => self.node(id).names,
        }
    }

    /// Puts bytes into a file.
    pub fn write(&mut self, id: NodeId, offset: usize, data: &[u8]) {
        if let Body::File(bytes) = &mut self.node_mut(id).body {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(data);
        }
    }

    /// Sets the size of a file.
    pub fn resize(&mut self, id: NodeId, size: usize) {
        if let Body::File(bytes) = &mut self.node_mut(id).body {
            bytes.resize(size, 0);
        }
    }

    /// Gives a file at least this size.
    pub fn grow(&mut self, id: NodeId, size: usize) {
        if let Body::File(bytes) = &mut self.node_mut(id).body {
            bytes.resize(size.max(bytes.len()), 0);
        }
    }

    /// Makes what there is of a range zeros.
    pub fn zero(&mut self, id: NodeId, offset: usize, len: usize) {
        if let Body::File(bytes) = &mut self.node_mut(id).body {
            let end = bytes.len().min(offset + len);
            if let Some(range) = bytes.get_mut(offset..end) {
                range.fill(0);
            }
        }
    }

    /// What there is of a range of a file.
    pub fn part(&self, id: NodeId, offset: usize, len: usize) -> &[u8] {
        let bytes = self.bytes(id).map_or(&[][..], Vec::as_slice);
        bytes.get(offset..bytes.len().min(offset + len)).unwrap_or_default()
    }

    /// Sets the mode of an object.
    pub fn chmod(&mut self, id: NodeId, mode: u32) {
        self.node_mut(id).mode = mode;
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&mut self, id: NodeId, name: &str, value: &[u8]) {
        self.node_mut(id).xattrs.insert(name.into(), value.into());
    }

    /// Removes an extended attribute.
    pub fn remove_xattr(&mut self, id: NodeId, name: &str) {
        self.node_mut(id).xattrs.remove(name);
    }

    /// Makes a change, if it can be made. Answers the object it is about.
    ///
    /// # Errors
    /// The status that refuses it; nothing was changed.
    pub fn apply(&mut self, change: &Change) -> Result<NodeId, Status> {
        let file = || Body::File(Vec::new());
        match change {
            Change::Guarded(dir, name) => self.make(*dir, name, file(), 0o644),
            Change::Unchecked(dir, name) | Change::Exclusive(dir, name) => {
                match self.entries(*dir)?.get(name).copied() {
                    Some(found) if matches!(change, Change::Unchecked(..)) => self.openable(found),
                    Some(_) => Err(Status::EXIST),
                    None => self.make(*dir, name, file(), 0o644),
                }
            }
            Change::Mkdir(dir, name) => self.make(*dir, name, Body::Dir(BTreeMap::new()), 0o755),
            Change::Symlink(dir, name, text) => {
                self.make(*dir, name, Body::Symlink(text.clone()), 0o777)
            }
            Change::Link(node, dir, name) => self.link(*node, *dir, name),
            Change::Remove(dir, name) => self.remove(*dir, name),
            Change::Rename(from, old, to, new) => self.rename((*from, old), (*to, new)),
        }
    }

    /// Whether an object can be opened.
    ///
    /// # Errors
    /// `ISDIR`, `SYMLINK`: it cannot.
    pub fn openable(&self, id: NodeId) -> Result<NodeId, Status> {
        match self.node(id).body {
            Body::File(_) => Ok(id),
            Body::Dir(_) => Err(Status::ISDIR),
            Body::Symlink(_) => Err(Status::SYMLINK),
        }
    }

    fn make(&mut self, dir: NodeId, name: &str, body: Body, mode: u32) -> Result<NodeId, Status> {
        if self.entries(dir)?.contains_key(name) {
            return Err(Status::EXIST);
        }
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, Node { body, names: 1, mode, xattrs: BTreeMap::new() });
        self.entries_mut(dir).insert(name.into(), id);
        Ok(id)
    }

    fn link(&mut self, node: NodeId, dir: NodeId, name: &str) -> Result<NodeId, Status> {
        let entries = self.entries(dir)?;
        if self.is_dir(node) {
            return Err(Status::ISDIR);
        }
        if entries.contains_key(name) {
            return Err(Status::EXIST);
        }
        self.entries_mut(dir).insert(name.into(), node);
        self.node_mut(node).names += 1;
        Ok(node)
    }

    fn remove(&mut self, dir: NodeId, name: &str) -> Result<NodeId, Status> {
        let id = *self.entries(dir)?.get(name).ok_or(Status::NOENT)?;
        if self.entries(id).is_ok_and(|entries| !entries.is_empty()) {
            return Err(Status::NOTEMPTY);
        }
        self.entries_mut(dir).remove(name);
        self.node_mut(id).names -= 1;
        Ok(id)
    }

    fn rename(
        &mut self,
        (from, old): (NodeId, &str),
        (to, new): (NodeId, &str),
    ) -> Result<NodeId, Status> {
        let (sources, targets) = (self.entries(from)?, self.entries(to)?);
        let source = *sources.get(old).ok_or(Status::NOENT)?;
        let target = targets.get(new).copied();
        if target == Some(source) {
            return Ok(source);
        }
        if self.is_dir(source) && from != to && self.is_within(to, source) {
            return Err(Status::INVAL);
        }
        if let Some(target) = target {
            let full = self.entries(target).is_ok_and(|entries| !entries.is_empty());
            if self.is_dir(target) != self.is_dir(source) || full {
                return Err(Status::EXIST);
            }
            self.node_mut(target).names -= 1;
        }
        self.entries_mut(from).remove(old);
        self.entries_mut(to).insert(new.into(), source);
        Ok(source)
    }

    fn is_within(&self, dir: NodeId, above: NodeId) -> bool {
        let below = |id: NodeId| self.entries(id).into_iter().flatten().map(|(_, id)| *id);
        let mut left = vec![above];
        while let Some(id) = left.pop() {
            if id == dir {
                return true;
            }
            left.extend(below(id).filter(|id| self.is_dir(*id)));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        text.into()
    }

    #[test]
    fn names_behave_as_posix_has_them() {
        let mut model = Model::default();
        let dir = model.apply(&Change::Mkdir(ROOT, name("d"))).unwrap();
        let file = model.apply(&Change::Guarded(dir, name("f"))).unwrap();
        assert_eq!(model.apply(&Change::Guarded(dir, name("f"))), Err(Status::EXIST));
        assert_eq!(model.apply(&Change::Unchecked(dir, name("f"))), Ok(file));
        assert_eq!(model.apply(&Change::Unchecked(ROOT, name("d"))), Err(Status::ISDIR));
        assert_eq!(model.apply(&Change::Remove(ROOT, name("d"))), Err(Status::NOTEMPTY));
        assert_eq!(model.apply(&Change::Link(file, ROOT, name("g"))), Ok(file));
        assert_eq!((model.links(file), model.links(ROOT)), (2, 3));
        let onto_itself = Change::Rename(dir, name("f"), ROOT, name("g"));
        assert_eq!(model.apply(&onto_itself), Ok(file));
        assert_eq!(model.links(file), 2);
        let into_itself = Change::Rename(ROOT, name("d"), dir, name("x"));
        assert_eq!(model.apply(&into_itself), Err(Status::INVAL));
        assert_eq!(model.apply(&Change::Remove(dir, name("f"))), Ok(file));
        let over = Change::Rename(ROOT, name("g"), ROOT, name("d"));
        assert_eq!(model.apply(&over), Err(Status::EXIST));
        assert_eq!(model.all().len(), 2);
    }

    #[test]
    fn data_grows_with_zeros() {
        let mut model = Model::default();
        let file = model.apply(&Change::Exclusive(ROOT, name("f"))).unwrap();
        model.write(file, 2, b"ab");
        assert_eq!(model.bytes(file).unwrap(), &[0, 0, b'a', b'b']);
        model.resize(file, 3);
        model.resize(file, 4);
        assert_eq!(model.bytes(file).unwrap(), &[0, 0, b'a', 0]);
        model.grow(file, 3);
        model.grow(file, 5);
        assert_eq!(model.bytes(file).unwrap(), &[0, 0, b'a', 0, 0]);
    }

    #[test]
    fn a_range_is_taken_and_zeroed_as_far_as_the_file_goes() {
        let mut model = Model::default();
        let file = model.apply(&Change::Guarded(ROOT, name("f"))).unwrap();
        model.write(file, 0, b"abcd");
        assert_eq!(model.part(file, 1, 2), b"bc");
        assert_eq!((model.part(file, 3, 9), model.part(file, 9, 1)), (&b"d"[..], &b""[..]));
        model.zero(file, 1, 2);
        model.zero(file, 3, 9);
        model.zero(file, 9, 9);
        assert_eq!(model.bytes(file).unwrap(), &[b'a', 0, 0, 0]);
    }
}

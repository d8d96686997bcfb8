//! What a client was told is so.

use std::collections::BTreeMap;
use std::fmt;

/// Which of a worker's two folders.
pub(super) type Folder = usize;

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) Folder, pub(super) String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", FOLDERS[self.0], self.1)
    }
}

pub(super) const FOLDERS: [&str; 2] = ["a", "b"];

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    File(Vec<u8>),
    Folder,
    Link(String),
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) fileid: u64,
    pub(super) body: Body,
    /// The mode, but for what the system decides.
    pub(super) mode: Option<u32>,
    /// What it was made with, if it was made exclusively and is as it was.
    pub(super) verifier: Option<[u8; 8]>,
}

/// How a write is made stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stable {
    File,
    Data,
    Commit,
}

/// A change.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A file, with a verifier if it is exclusive.
    Create(Name, Option<[u8; 8]>),
    MakeFolder(Name),
    Symlink(Name, String),
    Link(Name, Name),
    Rename(Name, Name),
    Remove(Name),
    Write(Name, usize, Vec<u8>, Stable),
    Resize(Name, usize),
    Mode(Name, u32),
}

impl Action {
    /// The names that may be there or not while it is not known whether it was done.
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Create(name, _)
            | Self::MakeFolder(name)
            | Self::Symlink(name, _)
            | Self::Link(_, name)
            | Self::Remove(name) => vec![name],
            Self::Rename(old, new) => vec![old, new],
            Self::Write(..) | Self::Resize(..) | Self::Mode(..) => Vec::new(),
        }
    }

    /// The name of the object whose contents or mode it changes.
    pub(super) const fn object(&self) -> Option<&Name> {
        match self {
            Self::Write(name, ..) | Self::Resize(name, _) | Self::Mode(name, _) => Some(name),
            Self::Create(..)
            | Self::MakeFolder(_)
            | Self::Symlink(..)
            | Self::Link(..)
            | Self::Rename(..)
            | Self::Remove(_) => None,
        }
    }
}

/// Objects and their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) names: BTreeMap<Name, usize>,
    pub(super) objects: Vec<Object>,
    /// How many changes were acknowledged.
    pub(super) acknowledged: usize,
}

impl Model {
    pub(super) fn object(&self, name: &Name) -> Option<&Object> {
        self.names.get(name).map(|at| &self.objects[*at])
    }

    /// A change was acknowledged. `fileid` is what a new object got.
    pub(super) fn apply(&mut self, action: &Action, fileid: u64) {
        self.acknowledged += 1;
        match action {
            Action::Create(name, verifier) => {
                self.add(name, fileid, Body::File(Vec::new()), Some(0o640), *verifier);
            }
            Action::MakeFolder(name) => self.add(name, fileid, Body::Folder, Some(0o750), None),
            Action::Symlink(name, text) => {
                self.add(name, fileid, Body::Link(text.clone()), None, None);
            }
            Action::Link(old, new) => {
                if let Some(at) = self.names.get(old).copied() {
                    self.names.insert(new.clone(), at);
                }
            }
            Action::Rename(old, new) => {
                if let Some(at) = self.names.remove(old) {
                    self.names.insert(new.clone(), at);
                }
            }
            Action::Remove(name) => drop(self.names.remove(name)),
            Action::Write(name, offset, data, _) => self.edit(name, |content| {
                let end = offset + data.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(data);
            }),
            Action::Resize(name, size) => self.edit(name, |content| content.resize(*size, 0)),
            Action::Mode(name, mode) => {
                if let Some(at) = self.names.get(name) {
                    self.objects[*at].mode = Some(*mode);
                }
            }
        }
    }

    fn add(
        &mut self,
        name: &Name,
        fileid: u64,
        body: Body,
        mode: Option<u32>,
        verifier: Option<[u8; 8]>,
    ) {
        self.names.insert(name.clone(), self.objects.len());
        self.objects.push(Object { fileid, body, mode, verifier });
    }

    fn edit(&mut self, name: &Name, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(at) = self.names.get(name)
            && let Object { body: Body::File(content), verifier, .. } = &mut self.objects[*at]
        {
            change(content);
            // The times that hold it are the file's own now.
            *verifier = None;
        }
    }
}

//! What a user may do next.

use holdfast_proto::nfs4::SetXattrOption;

use crate::model::{Body, Change, Model, NodeId, ROOT};
use crate::options::Options;
use crate::rng::Rng;
use crate::workload::LOCKED;

/// Names of which a user has so few that they meet.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Files that a user holds open at a time.
const OPENS_MAX: usize = 4;

/// Bytes of a file.
pub const SIZE_MAX: u64 = 6_000;

/// What is done to ranges of open files. Which ranges the user draws, who knows the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranged {
    /// SEEK.
    Seek,
    /// SEEK for data and for a hole in turns, over the whole file.
    Map,
    /// READ_PLUS.
    ReadPlus,
    /// WRITE far from what is there.
    WriteFar,
    /// ALLOCATE.
    Allocate,
    /// DEALLOCATE.
    Deallocate,
    /// IO_ADVISE.
    Advise,
    /// COPY to another open file.
    Copy,
    /// CLONE to another open file.
    Clone,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Changes names. `true`: an existing file is emptied.
    Change(Change, bool),
    /// Opens the file of a name.
    Open(NodeId, String),
    /// Opens a file by its handle.
    OpenHandle(NodeId),
    /// Writes to an open file: which, where, how much, and whether unstable.
    Write(usize, u64, usize, bool),
    /// Reads an open file.
    Read(usize),
    /// Commits an open file.
    Commit(usize),
    /// Sets the size of an open file.
    Truncate(usize, u64),
    /// Closes an open file.
    Close(usize),
    /// Sets the mode of an object.
    Chmod(NodeId, u32),
    /// Asks for attributes.
    Getattr(NodeId),
    /// Looks a name up.
    Lookup(NodeId, String),
    /// Lists a directory.
    Readdir(NodeId),
    /// Reads the text of a link.
    Readlink(NodeId),
    /// Does something to a range of an open file, and to one of another.
    Range(Ranged, usize, usize),
    /// Sets an extended attribute: of which object, its name, its value, and whether it may exist.
    SetXattr(NodeId, String, Vec<u8>, SetXattrOption),
    /// Asks for an extended attribute.
    GetXattr(NodeId, String),
    /// Lists the extended attributes.
    ListXattrs(NodeId),
    /// Removes an extended attribute.
    RemoveXattr(NodeId, String),
    /// Makes a name in the shared directory, of which only one user can be the maker.
    Ticket(u64),
    /// Moves somebody's name in the shared directory.
    Token,
    /// Writes its own place in the shared file, and reads it. With what it denies others.
    Record(u32),
    /// Locks and unlocks bytes of a shared file: which, and how many things it does to them.
    Locks(usize, u64),
    /// Does nothing for so many milliseconds.
    Rest(u64),
}

/// Draws the next step of a user with this tree and so many open files.
pub fn draw(rng: &mut Rng, options: &Options, model: &Model, opens: usize) -> Step {
    if rng.chance(options.shared_permille) {
        return shared(rng, options);
    }
    if rng.chance(20) {
        return Step::Rest(rng.between(1, 4_000));
    }
    if opens >= OPENS_MAX {
        return Step::Close(rng.index(opens));
    }
    if opens > 0 && rng.chance(550) {
        return data(rng, opens);
    }
    if rng.chance(550) { names(rng, model) } else { looking(rng, model) }
}

/// Draws a step with operations that minor version 2 has and 1 has not.
pub fn draw_newer(rng: &mut Rng, model: &Model, opens: usize) -> Step {
    if opens > 0 && rng.chance(700) {
        let at = rng.index(opens);
        let other = if rng.chance(100) { at } else { (at + 1) % opens };
        return Step::Range(ranged(rng), at, other);
    }
    let node = object(rng, model, |body| !matches!(body, Body::Symlink(_)));
    let name = name(rng);
    let option = match rng.below(9) {
        0..3 => SetXattrOption::EITHER,
        3..5 => SetXattrOption::CREATE,
        5 => SetXattrOption::REPLACE,
        6 => return Step::GetXattr(node, name),
        7 => return Step::ListXattrs(node),
        _ => return Step::RemoveXattr(node, name),
    };
    let mut value = vec![0; rng.below(100) as usize];
    rng.fill(&mut value);
    Step::SetXattr(node, name, value, option)
}

fn ranged(rng: &mut Rng) -> Ranged {
    match rng.below(14) {
        0 => Ranged::Seek,
        1 => Ranged::Map,
        2..4 => Ranged::ReadPlus,
        4..6 => Ranged::WriteFar,
        6 => Ranged::Allocate,
        7..9 => Ranged::Deallocate,
        9 => Ranged::Advise,
        10..12 => Ranged::Copy,
        _ => Ranged::Clone,
    }
}

fn shared(rng: &mut Rng, options: &Options) -> Step {
    match rng.below(4) {
        0 => Step::Ticket(rng.below(12)),
        1 => Step::Token,
        2 => Step::Locks(rng.index(LOCKED.len()), rng.between(2, 12)),
        _ => {
            let deny = if rng.chance(options.deny_permille) { rng.between(1, 3) as u32 } else { 0 };
            Step::Record(deny)
        }
    }
}

fn data(rng: &mut Rng, opens: usize) -> Step {
    let at = rng.index(opens);
    match rng.below(10) {
        0..5 => {
            let (offset, len) = (rng.below(SIZE_MAX), rng.between(1, 700) as usize);
            Step::Write(at, offset, len, rng.chance(650))
        }
        5..7 => Step::Read(at),
        7 => Step::Commit(at),
        8 => Step::Truncate(at, rng.below(SIZE_MAX)),
        _ => Step::Close(at),
    }
}

fn dir(rng: &mut Rng, model: &Model) -> NodeId {
    let mut dirs: Vec<_> =
        model.all().into_iter().map(|(_, _, id)| id).filter(|id| model.is_dir(*id)).collect();
    dirs.push(ROOT);
    *rng.pick(&dirs)
}

fn name(rng: &mut Rng) -> String {
    (*rng.pick(&NAMES)).into()
}

/// An object with a name; where there is none, the top.
fn object(rng: &mut Rng, model: &Model, is: impl Fn(&Body) -> bool) -> NodeId {
    let mut all: Vec<_> = model.all().into_iter().map(|(_, _, id)| id).collect();
    all.retain(|id| is(&model.node(*id).body));
    if all.is_empty() { ROOT } else { *rng.pick(&all) }
}

/// A name that exists, mostly; else any.
fn place(rng: &mut Rng, model: &Model) -> (NodeId, String) {
    let all = model.all();
    if all.is_empty() || rng.chance(150) {
        return (dir(rng, model), name(rng));
    }
    let (dir, name, _) = rng.pick(&all).clone();
    (dir, name)
}

fn names(rng: &mut Rng, model: &Model) -> Step {
    let (into, new) = (dir(rng, model), name(rng));
    let change = match rng.below(16) {
        0..2 => Change::Guarded(into, new),
        2..5 => return Step::Change(Change::Unchecked(into, new), rng.chance(300)),
        5..7 => Change::Exclusive(into, new),
        7..9 => Change::Mkdir(into, new),
        9 => Change::Symlink(into, new, format!("text-{}", rng.below(1000))),
        10 => Change::Link(object(rng, model, |_| true), into, new),
        11..13 => {
            let (from, old) = place(rng, model);
            Change::Remove(from, old)
        }
        _ => {
            let (from, old) = place(rng, model);
            Change::Rename(from, old, into, new)
        }
    };
    Step::Change(change, false)
}

fn looking(rng: &mut Rng, model: &Model) -> Step {
    let file = |body: &Body| matches!(body, Body::File(_));
    match rng.below(10) {
        0..2 => {
            let (dir, name) = place(rng, model);
            Step::Open(dir, name)
        }
        2..4 => match object(rng, model, file) {
            ROOT => Step::Getattr(ROOT),
            id => Step::OpenHandle(id),
        },
        4 => Step::Chmod(object(rng, model, |_| true), *rng.pick(&[0o700, 0o744, 0o755])),
        5 => Step::Getattr(object(rng, model, |_| true)),
        6 => {
            let (dir, name) = place(rng, model);
            Step::Lookup(dir, name)
        }
        7..9 => Step::Readdir(dir(rng, model)),
        _ => match object(rng, model, |body| matches!(body, Body::Symlink(_))) {
            ROOT => Step::Readdir(ROOT),
            id => Step::Readlink(id),
        },
    }
}

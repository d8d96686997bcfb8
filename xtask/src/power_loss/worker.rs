//! A client that changes what it has until the power goes, and what it checks afterwards.

use std::io;
use std::sync::mpsc::Sender;

use holdfast_proto::nfs4::Status;

use super::client::Client;
use super::files::Files;
use super::model::{Action, Body, FOLDERS, Model, Name, Stable};

/// Names that a folder has at most.
const NAMES_MAX: usize = 12;
/// Bytes of a write at most, and where it begins at most.
const WRITE_MAX: u64 = 20_000;

/// What a client was told before the power went.
#[derive(Default)]
pub(super) struct Told {
    dir: String,
    pub(super) model: Model,
    /// Sent and not answered.
    doubt: Option<Action>,
}

/// SplitMix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// Works until no answer comes any more.
///
/// # Errors
/// The server refused what it must not.
pub(super) fn work(
    port: u16,
    dir: &str,
    chance: &mut Chance,
    begun: &Sender<()>,
) -> Result<Told, String> {
    let mut told = Told { dir: dir.to_owned(), ..Told::default() };
    let files = open(port, dir);
    // Also of one that fails, so that nobody waits for it.
    let _nobody_listens = begun.send(());
    let mut files = files.map_err(|error| format!("{dir}: no server: {error}"))?;
    let mut made = 0;
    loop {
        let action = draw(chance, &told.model, &mut made);
        match files.act(&action) {
            Ok((Status::OK, fileid)) => told.model.apply(&action, fileid),
            Ok((status, _)) => return Err(format!("{dir}: {action:?}: {status:?}")),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(format!("{dir}: {action:?}: {error}"));
            }
            Err(_) => {
                told.doubt = Some(action);
                return Ok(told);
            }
        }
    }
}

fn open(port: u16, dir: &str) -> io::Result<Files> {
    Files::new(Client::connect(port, dir)?, dir)
}

fn draw(chance: &mut Chance, model: &Model, made: &mut u64) -> Action {
    let mut fresh = |chance: &mut Chance| {
        *made += 1;
        Name(chance.below(FOLDERS.len() as u64) as usize, format!("n{made}"))
    };
    let names: Vec<&Name> = model.names.keys().collect();
    let files: Vec<&Name> = names
        .iter()
        .copied()
        .filter(|name| model.object(name).is_some_and(|it| matches!(it.body, Body::File(_))))
        .collect();
    if names.len() > NAMES_MAX * FOLDERS.len() {
        return Action::Remove(names[chance.below(names.len() as u64) as usize].clone());
    }
    if files.len() < 2 {
        return Action::Create(fresh(chance), None);
    }
    let some =
        |chance: &mut Chance, of: &[&Name]| of[chance.below(of.len() as u64) as usize].clone();
    match chance.below(20) {
        0..3 => Action::Create(fresh(chance), None),
        3..5 => Action::Create(fresh(chance), Some(chance.next().to_le_bytes())),
        5 => Action::MakeFolder(fresh(chance)),
        6 => Action::Symlink(fresh(chance), format!("to/{}", chance.next())),
        7 => Action::Link(some(chance, &files), fresh(chance)),
        8..11 => Action::Rename(some(chance, &names), fresh(chance)),
        11 => {
            // Over another one: two names of one object would change nothing.
            let (old, new) = (some(chance, &files), some(chance, &files));
            let same = model.names.get(&old) == model.names.get(&new);
            if same { Action::Remove(old) } else { Action::Rename(old, new) }
        }
        12..14 => Action::Remove(some(chance, &names)),
        14..18 => {
            let name = some(chance, &files);
            write(chance, name)
        }
        18 => Action::Resize(some(chance, &files), chance.below(WRITE_MAX) as usize),
        _ => Action::Mode(some(chance, &files), 0o600 | chance.below(0o100) as u32),
    }
}

fn write(chance: &mut Chance, name: Name) -> Action {
    let how = [Stable::File, Stable::Data, Stable::Commit][chance.below(3) as usize];
    let offset = chance.below(WRITE_MAX) as usize;
    let len = 1 + chance.below(WRITE_MAX);
    let mut bytes = Chance(chance.next());
    Action::Write(name, offset, (0..len).map(|_| bytes.next() as u8).collect(), how)
}

/// Compares what is there with what the client was told; answers what is wrong.
///
/// # Errors
/// It could not be read.
pub(super) fn check(port: u16, told: &Told) -> io::Result<Vec<String>> {
    let mut files = open(port, &told.dir)?;
    let mut wrong = Vec::new();
    let there = files.list()?;
    let in_doubt = told.doubt.as_ref().map(Action::names).unwrap_or_default();
    for name in there.iter().filter(|name| !told.model.names.contains_key(name)) {
        if !in_doubt.contains(&name) {
            wrong.push(format!("{name} is there, which was not made or was taken away"));
        }
    }
    let doubtful = told.doubt.as_ref().and_then(Action::object);
    let doubtful = doubtful.and_then(|name| told.model.names.get(name));
    // Before any file is read, which changes the times that hold the verifier under all its names.
    let mut lost = Vec::new();
    for (name, at) in &told.model.names {
        let kept = &told.model.objects[*at];
        let is_sure = doubtful != Some(at) && !in_doubt.contains(&name) && there.contains(name);
        if let Some(verifier) = kept.verifier.filter(|_| is_sure)
            && files.create_again(name, verifier).ok() != Some(kept.fileid)
        {
            lost.push(name);
        }
    }
    for (name, at) in &told.model.names {
        let kept = &told.model.objects[*at];
        if !there.contains(name) {
            if !in_doubt.contains(&name) {
                wrong.push(format!("{name} is gone"));
            }
            continue;
        }
        let found = files.look(name, kept)?;
        if doubtful == Some(at) || in_doubt.contains(&name) {
            continue;
        }
        if found != *kept {
            wrong.push(format!("{name} differs: {}", difference(kept, &found)));
        } else if lost.contains(&name) {
            wrong.push(format!("{name} is not found again by what it was made with"));
        }
    }
    if let Some(Action::Rename(old, new)) = &told.doubt
        && !there.contains(old)
        && !there.contains(new)
    {
        wrong.push(format!("{old} is gone in the middle of its move to {new}"));
    }
    Ok(wrong.into_iter().map(|what| format!("{}: {what}", told.dir)).collect())
}

fn difference(kept: &super::model::Object, found: &super::model::Object) -> String {
    if let (Body::File(kept), Body::File(found)) = (&kept.body, &found.body)
        && kept != found
    {
        let at = kept.iter().zip(found).position(|(a, b)| a != b);
        let (kept, found) = (kept.len(), found.len());
        return format!("{kept} bytes were safe, there are {found}, the first other one at {at:?}");
    }
    format!(
        "fileid {}, mode {:?} was said; it is {}, {:?}",
        kept.fileid, kept.mode, found.fileid, found.mode
    )
}

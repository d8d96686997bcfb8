//! Listings.

use std::collections::{BTreeMap, BTreeSet};

use super::user::Entry;
use super::{Scratch, Subject};
use crate::{Error, FileKind, Handle, Want};

const NAMES: Want = Want { attr: false, handle: false };
const ALL: Want = Want { attr: true, handle: true };

/// Lists a directory in steps of `step` entries, and runs `between` after each.
fn list_by(
    t: &Scratch<'_>,
    dir: &Handle,
    step: usize,
    mut between: impl FnMut(usize),
) -> Vec<Entry> {
    let mut all = Vec::<Entry>::new();
    loop {
        let cookie = all.last().map_or(0, |entry| entry.cookie);
        let (some, end) = t.root.list_some(dir, cookie, step, NAMES).expect("a listing works");
        assert!(some.len() <= step);
        assert!(end.eof || !some.is_empty(), "a listing with room gets on");
        all.extend(some);
        if end.eof {
            return all;
        }
        between(all.len());
    }
}

fn count(entries: &[Entry]) -> BTreeMap<&[u8], usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(&*entry.name).or_insert(0) += 1;
    }
    counts
}

fn fill(t: &Scratch<'_>, dir: &Handle, names: impl Iterator<Item = String>) -> Vec<String> {
    let names: Vec<_> = names.collect();
    for name in &names {
        t.root.file(dir, name);
    }
    names
}

pub(super) fn readdir_of_an_empty_directory_gives_nothing(subject: &Subject) {
    let t = Scratch::new(subject);
    let (entries, end) = t.root.list_some(&t.dir, 0, 10, NAMES).expect("a listing works");
    assert!(entries.is_empty() && end.eof);
}

pub(super) fn readdir_gives_every_entry_once(subject: &Subject) {
    let t = Scratch::new(subject);
    let mut names = fill(&t, &t.dir, (0..50).map(|n| format!("file-{n}")));
    t.root.dir(&t.dir, "sub");
    t.root.file(&t.root.lookup(&t.dir, "sub").expect("found"), "below");
    names.push("sub".into());
    names.sort();
    let expected: Vec<_> = names.into_iter().map(String::into_bytes).collect();
    assert_eq!(t.root.names(&t.dir), expected);
}

pub(super) fn readdir_cookies_are_above_two_and_distinct(subject: &Subject) {
    let t = Scratch::new(subject);
    fill(&t, &t.dir, (0..50).map(|n| format!("file-{n}")));
    let entries = t.root.list(&t.dir, NAMES).expect("a listing works");
    let cookies: BTreeSet<_> = entries.iter().map(|entry| entry.cookie).collect();
    assert_eq!(cookies.len(), entries.len());
    assert!(cookies.iter().all(|cookie| *cookie > 2));
}

pub(super) fn readdir_gives_what_is_wanted(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    t.root.dir(&t.dir, "dir");
    let entries = t.root.list(&t.dir, ALL).expect("a listing works");
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let node = t.root.lookup(&t.dir, &entry.name).expect("it is there");
        let attr = t.root.attr(&node);
        assert_eq!(entry.fileid, attr.fileid);
        assert!(entry.handle.is_none_or(|handle| handle == node));
        let listed = entry.attr.expect("attributes were asked for").expect("and can be read");
        assert_eq!((listed.kind, listed.fileid), (attr.kind, attr.fileid));
        assert_eq!((listed.mode, listed.change), (attr.mode, attr.change));
        assert_eq!(listed.kind == FileKind::Directory, entry.name == b"dir");
    }
}

pub(super) fn readdir_one_entry_at_a_time(subject: &Subject) {
    let t = Scratch::new(subject);
    let names = fill(&t, &t.dir, (0..30).map(|n| format!("file-{n}")));
    let entries = list_by(&t, &t.dir, 1, |_| {});
    assert_eq!(entries.len(), names.len());
    assert!(count(&entries).values().all(|times| *times == 1));
}

pub(super) fn readdir_to_a_full_sink_is_not_at_the_end(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    let (entries, end) = t.root.list_some(&t.dir, 0, 0, NAMES).expect("a listing works");
    assert!(entries.is_empty() && !end.eof);
}

pub(super) fn readdir_after_the_last_entry_gives_nothing(subject: &Subject) {
    let t = Scratch::new(subject);
    fill(&t, &t.dir, (0..5).map(|n| format!("file-{n}")));
    let entries = t.root.list(&t.dir, NAMES).expect("a listing works");
    let last = entries.last().expect("there are some").cookie;
    let (more, end) = t.root.list_some(&t.dir, last, 10, NAMES).expect("a listing works");
    assert!(more.is_empty() && end.eof);
}

pub(super) fn readdir_goes_on_after_a_removed_entry(subject: &Subject) {
    let t = Scratch::new(subject);
    let names = fill(&t, &t.dir, (0..20).map(|n| format!("file-{n}")));
    let (first, _) = t.root.list_some(&t.dir, 0, 7, NAMES).expect("a listing works");
    let cookie = first.last().expect("there are some").cookie;
    for entry in &first {
        t.root.remove(&t.dir, &entry.name).expect("removed");
    }
    let mut rest = Vec::new();
    let mut at = cookie;
    loop {
        let (more, end) = t.root.list_some(&t.dir, at, 5, NAMES).expect("a listing works");
        at = more.last().map_or(at, |entry| entry.cookie);
        rest.extend(more);
        if end.eof {
            break;
        }
    }
    assert_eq!(first.len() + rest.len(), names.len());
    assert!(count(&rest).values().all(|times| *times == 1));
}

pub(super) fn readdir_gives_survivors_once_while_others_come_and_go(subject: &Subject) {
    let t = Scratch::new(subject);
    let stay: BTreeSet<_> =
        fill(&t, &t.dir, (0..2000).map(|n| format!("stay-{n}"))).into_iter().collect();
    fill(&t, &t.dir, (0..300).map(|n| format!("go-{n}")));
    let mut round = 0;
    let entries = list_by(&t, &t.dir, 37, |_| {
        for n in (round * 5..round * 5 + 5).filter(|n| *n < 300) {
            t.root.remove(&t.dir, format!("go-{n}")).expect("removed");
        }
        t.root.file(&t.dir, format!("come-{round}"));
        round += 1;
    });
    let counts = count(&entries);
    for name in &stay {
        assert_eq!(counts.get(name.as_bytes()), Some(&1), "{name} is listed once");
    }
    assert!(counts.values().all(|times| *times == 1), "nothing is listed twice");
}

pub(super) fn readdir_gives_survivors_once_while_others_are_replaced(subject: &Subject) {
    let t = Scratch::new(subject);
    fill(&t, &t.dir, (0..100).map(|n| format!("stay-{n}")));
    fill(&t, &t.dir, (0..20).map(|n| format!("old-{n}")));
    let mut round = 0;
    let entries = list_by(&t, &t.dir, 7, |_| {
        t.root.file(&t.dir, "temporary");
        t.root.rename(&t.dir, "temporary", &t.dir, format!("old-{round}")).expect("renamed");
        round += 1;
    });
    let counts = count(&entries);
    let stay = counts.iter().filter(|(name, _)| name.starts_with(b"stay-"));
    assert_eq!(stay.clone().count(), 100);
    assert!(stay.into_iter().all(|(_, times)| *times == 1));
}

pub(super) fn readdir_of_a_file_is_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    t.refused(t.root.list(&file, NAMES), &[Error::NotDirectory]);
}

pub(super) fn readdir_with_a_strange_cookie_is_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().checks_cookies {
        return;
    }
    t.root.file(&t.dir, "file");
    for cookie in [1, 2, u64::MAX] {
        t.refused(t.root.list_some(&t.dir, cookie, 10, NAMES), &[Error::BadCookie]);
    }
}

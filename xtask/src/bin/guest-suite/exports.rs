//! Exports with a limit: no changes, little room, a quota; and the root that joins them.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::fs::statvfs;
use rustix::io::Errno;

use crate::check::{ensure, equal, refused};
use crate::mount::Mount;
use crate::options::{Kind, Options};
use crate::other_user::act;
use crate::{Step, Steps, copies, holes, listing, nested, times, transfer, xattrs};

type Run<'a> = dyn FnMut(&str, &mut dyn FnMut() -> Step) + 'a;

/// What depends on the kind of file system below.
const KIND_STEPS: Steps = &[
    ("data and holes", holes::data_and_holes),
    ("punch a hole", holes::punch),
    ("preallocation", holes::preallocate),
    ("clone", copies::clone),
    ("copy", copies::copy),
    ("extended attributes", xattrs::attributes),
    ("direct transfer", transfer::direct),
    ("shared memory", transfer::mapped),
    ("times of access and modification", times::omit_and_now),
    ("change while listing", listing::change_while_listing),
];

fn on_kind(options: &Options, kind: &Kind, run: fn(&Mount) -> Step) -> Step {
    let options = Options { has: kind.has.clone(), ..options.clone() };
    let mount = Mount::new(&options, &kind.path, "/mnt/kind")?;
    mount.begin()?;
    let outcome = run(&mount);
    mount.end()?;
    mount.unmount()?;
    outcome
}

/// Runs the steps of the exports that were named.
pub(crate) fn steps(options: &Options, step: &mut Run<'_>) {
    if let Some(path) = &options.read_only {
        step("read-only export", &mut || read_only(options, path));
    }
    if let Some(path) = &options.small {
        step("export without room", &mut || small(options, path));
    }
    if let Some(path) = &options.quota {
        step("export with a quota", &mut || quota(options, path));
    }
    if let Some(path) = &options.nested {
        step("file systems below an export", &mut || nested::shown(options, path));
    }
    if let Some(path) = &options.noxdev {
        step("hidden file systems below an export", &mut || nested::hidden(options, path));
    }
    // What differs between them is of version 4.2.
    for kind in options.kinds.iter().filter(|_kind| options.version != "4.1") {
        for (name, run) in KIND_STEPS {
            step(&format!("{}: {name}", kind.path), &mut || on_kind(options, kind, *run));
        }
    }
    if options.export != "/" && !options.is_local() {
        step("root of the exports", &mut || root(options));
    }
}

/// The main export again, but not to be changed; it is filled through the other one.
fn read_only(options: &Options, path: &str) -> Step {
    let main = Mount::new(options, &options.export, "/mnt/main")?;
    main.begin()?;
    let folder = main.folder("read-only")?;
    fs::write(folder.join("file"), "fixed")?;
    main.unmount()?;
    let fixed = Mount::new(options, path, "/mnt/read-only")?;
    let dir = fixed.path("read-only");
    let refusal = &[Errno::ROFS];
    let file = dir.join("file");
    equal("content", fs::read_to_string(&file)?.as_str(), "fixed")?;
    refused("create", File::create_new(dir.join("new")), refusal)?;
    refused("mkdir", fs::create_dir(dir.join("new")), refusal)?;
    refused("write", OpenOptions::new().write(true).open(&file), refusal)?;
    refused("unlink", fs::remove_file(&file), refusal)?;
    refused("rename", fs::rename(&file, dir.join("new")), refusal)?;
    refused("link", fs::hard_link(&file, dir.join("new")), refusal)?;
    refused("chmod", fs::set_permissions(&file, Permissions::from_mode(0o600)), refusal)?;
    fixed.unmount()?;
    let main = Mount::new(options, &options.export, "/mnt/main")?;
    equal("content", fs::read_to_string(main.path("read-only/file"))?.as_str(), "fixed")?;
    main.end()?;
    main.unmount()
}

fn small(options: &Options, path: &str) -> Step {
    let small = Mount::new(options, path, "/mnt/small")?;
    small.begin()?;
    let space = statvfs(small.path("."))?;
    let bytes = space.f_blocks * space.f_frsize;
    ensure((1 << 20..64 << 20).contains(&bytes), &format!("{bytes} bytes are a few MiB"))?;
    let count = usize::try_from(2 * bytes)?;
    let fill = |name: &str| {
        let mut file = File::create_new(small.path(name))?;
        for _ in 0..count / (64 << 10) {
            file.write_all(&[3; 64 << 10])?;
        }
        file.sync_all()
    };
    refused("write or fsync of too much", fill("sync"), &[Errno::NOSPC])?;
    fs::remove_file(small.path("sync"))?;
    close_tells(&small, count)?;
    small.drop_caches()?;
    let again = vec![4; 256 << 10];
    fs::write(small.path("again"), &again)?;
    small.drop_caches()?;
    ensure(fs::read(small.path("again"))? == again, "what is removed leaves room")?;
    let dir = small.folder("closed")?;
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    act("no-create", &dir)?;
    small.end()?;
    small.unmount()
}

/// Without an fsync it is write or close that tells. The standard library drops what close says,
/// dd does not.
fn close_tells(small: &Mount, bytes: usize) -> Step {
    let path = small.path("close");
    let output = Command::new("dd")
        .args(["if=/dev/zero", "bs=65536", &format!("count={}", bytes / 65_536)])
        .arg(format!("of={}", path.display()))
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure(!output.status.success(), "dd fails")?;
    ensure(said.contains("No space left on device"), &format!("dd says so: {said}"))?;
    fs::remove_file(path)?;
    Ok(())
}

fn quota(options: &Options, path: &str) -> Step {
    let limited = Mount::new(options, path, "/mnt/quota")?;
    limited.begin()?;
    let dir = limited.folder("open")?;
    fs::set_permissions(&dir, Permissions::from_mode(0o777))?;
    act("exceed-quota", &dir)?;
    limited.end()?;
    limited.unmount()
}

/// The exports are folders of one root, and each is a file system of its own.
fn root(options: &Options) -> Step {
    let root = Mount::new(options, "/", "/mnt/root")?;
    let paths = [Some(&options.export), options.read_only.as_ref(), options.small.as_ref()];
    let further = [&options.quota, &options.nested, &options.noxdev].map(Option::as_ref);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    wanted.extend(paths.into_iter().chain(further).flatten().cloned());
    wanted.extend(options.kinds.iter().map(|kind| kind.path.clone()));
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(root.top())? {
        seen.insert(format!("/{}", entry?.file_name().to_string_lossy()));
    }
    equal("exports", &seen, &wanted)?;
    let refusal = &[Errno::ROFS, Errno::ACCESS, Errno::PERM];
    refused("create", File::create_new(root.top().join("new")), refusal)?;
    let inside = root.top().join(options.export.trim_start_matches('/'));
    fs::write(inside.join("file"), "through the root")?;
    root.drop_caches()?;
    equal("content", fs::read_to_string(inside.join("file"))?.as_str(), "through the root")?;
    for other in options.kinds.iter().map(|kind| kind.path.trim_start_matches('/')) {
        let other = root.top().join(other).join("elsewhere");
        refused("rename", fs::rename(inside.join("file"), &other), &[Errno::XDEV])?;
        refused("link", fs::hard_link(inside.join("file"), &other), &[Errno::XDEV])?;
    }
    fs::remove_file(inside.join("file"))?;
    root.unmount()
}

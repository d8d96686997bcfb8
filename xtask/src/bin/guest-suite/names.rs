//! Names: renaming, refusals, removal.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused, same_bytes};
use crate::mount::Mount;

pub(crate) fn rename_file(mount: &Mount) -> Step {
    let dir = mount.folder("rename")?;
    fs::create_dir(dir.join("other"))?;
    fs::write(dir.join("a"), "content")?;
    let inode = fs::metadata(dir.join("a"))?.ino();
    fs::rename(dir.join("a"), dir.join("b"))?;
    fs::rename(dir.join("b"), dir.join("other/c"))?;
    mount.drop_caches()?;
    refused("the old name", fs::metadata(dir.join("a")), &[Errno::NOENT])?;
    refused("the name between", fs::metadata(dir.join("b")), &[Errno::NOENT])?;
    equal("inode", fs::metadata(dir.join("other/c"))?.ino(), inode)?;
    equal("content", fs::read_to_string(dir.join("other/c"))?.as_str(), "content")
}

pub(crate) fn rename_over(mount: &Mount) -> Step {
    let dir = mount.folder("rename-over")?;
    fs::write(dir.join("new"), "new")?;
    fs::write(dir.join("old"), "old")?;
    let mut held = File::open(dir.join("old"))?;
    fs::rename(dir.join("new"), dir.join("old"))?;
    mount.drop_caches()?;
    equal("content", fs::read_to_string(dir.join("old"))?.as_str(), "new")?;
    let mut text = String::new();
    held.read_to_string(&mut text)?;
    equal("content of the replaced file, which is open", text.as_str(), "old")?;
    drop(held);
    fs::remove_file(dir.join("old"))?;
    fs::remove_dir(dir)?;
    Ok(())
}

pub(crate) fn rename_folder(mount: &Mount) -> Step {
    let dir = mount.folder("rename-folder")?;
    fs::create_dir_all(dir.join("from/deep/deeper"))?;
    fs::create_dir_all(dir.join("to/empty"))?;
    fs::write(dir.join("from/deep/deeper/file"), "here")?;
    fs::rename(dir.join("from"), dir.join("to/empty"))?;
    mount.drop_caches()?;
    let text = fs::read_to_string(dir.join("to/empty/deep/deeper/file"))?;
    equal("content", text.as_str(), "here")?;
    let parent = fs::metadata(dir.join("to/empty/.."))?.ino();
    equal("parent", parent, fs::metadata(dir.join("to"))?.ino())
}

pub(crate) fn refused_renames(mount: &Mount) -> Step {
    let dir = mount.folder("refused-renames")?;
    fs::create_dir(dir.join("empty"))?;
    fs::create_dir(dir.join("full"))?;
    fs::write(dir.join("full/file"), "")?;
    fs::write(dir.join("file"), "")?;
    let rename = |from: &str, to: &str| fs::rename(dir.join(from), dir.join(to));
    refused("over a full folder", rename("empty", "full"), &[Errno::NOTEMPTY, Errno::EXIST])?;
    refused("file over folder", rename("file", "empty"), &[Errno::ISDIR])?;
    refused("folder over file", rename("empty", "file"), &[Errno::NOTDIR])?;
    refused("what is not there", rename("nothing", "file"), &[Errno::NOENT])?;
    refused("into itself", rename("full", "full/inside"), &[Errno::INVAL])
}

pub(crate) fn refused_names(mount: &Mount) -> Step {
    let dir = mount.folder("refused-names")?;
    fs::write(dir.join("file"), "")?;
    fs::create_dir(dir.join("full"))?;
    fs::write(dir.join("full/file"), "")?;
    refused("read of nothing", fs::read(dir.join("nothing")), &[Errno::NOENT])?;
    refused("file in nothing", File::create(dir.join("no/file")), &[Errno::NOENT])?;
    refused("mkdir of a file's name", fs::create_dir(dir.join("file")), &[Errno::EXIST])?;
    refused("mkdir of a folder's name", fs::create_dir(dir.join("full")), &[Errno::EXIST])?;
    refused("below a file", File::create(dir.join("file/x")), &[Errno::NOTDIR])?;
    refused("rmdir of a full folder", fs::remove_dir(dir.join("full")), &[Errno::NOTEMPTY])?;
    refused("rmdir of a file", fs::remove_dir(dir.join("file")), &[Errno::NOTDIR])?;
    refused("unlink of a folder", fs::remove_file(dir.join("full")), &[Errno::ISDIR])?;
    refused("unlink of nothing", fs::remove_file(dir.join("nothing")), &[Errno::NOENT])?;
    refused("write to a folder", File::create(dir.join("full")), &[Errno::ISDIR])?;
    let (file, full) = (dir.join("file"), dir.join("full/file"));
    refused("link to a name that is", fs::hard_link(file, full), &[Errno::EXIST])
}

pub(crate) fn longest_name(mount: &Mount) -> Step {
    let dir = mount.folder("longest-name")?;
    let (longest, longer) = ("n".repeat(255), "n".repeat(256));
    fs::write(dir.join(&longest), "long")?;
    mount.drop_caches()?;
    equal("content", fs::read_to_string(dir.join(&longest))?.as_str(), "long")?;
    refused("create", File::create(dir.join(&longer)), &[Errno::NAMETOOLONG])?;
    refused("mkdir", fs::create_dir(dir.join(&longer)), &[Errno::NAMETOOLONG])
}

pub(crate) fn not_utf8(mount: &Mount) -> Step {
    let dir = mount.folder("not-utf8")?;
    let name = OsStr::from_bytes(b"caf\xe9 \xff\x01");
    fs::write(dir.join(name), "latin")?;
    mount.drop_caches()?;
    let entries = fs::read_dir(&dir)?.collect::<Result<Vec<_>, _>>()?;
    equal("entries", entries.len(), 1)?;
    equal("name", entries[0].file_name().as_bytes(), name.as_bytes())?;
    equal("content", fs::read_to_string(entries[0].path())?.as_str(), "latin")?;
    fs::remove_file(dir.join(name))?;
    Ok(())
}

/// A name is its bytes: what looks the same is not, and one byte is as good as another.
pub(crate) fn bytes_of_names(mount: &Mount) -> Step {
    let dir = mount.folder("bytes")?;
    let mut wanted = BTreeSet::new();
    for name in ["\u{e9}", "e\u{301}", "\u{c5}", "A\u{30a}", "\u{212b}", "case", "Case", " ", "a."]
    {
        wanted.insert(name.as_bytes().to_vec());
    }
    let bytes =
        (1..=u8::MAX).step_by(7).chain(*b"\n\\\"'*\x7f\xff").filter(|byte| !b"/.".contains(byte));
    wanted.extend(bytes.map(|byte| vec![byte]));
    for name in &wanted {
        let path = dir.join(OsStr::from_bytes(name));
        fs::write(&path, name).map_err(|error| format!("{name:?}: {error}"))?;
    }
    mount.drop_caches()?;
    let entries = fs::read_dir(&dir)?.collect::<Result<Vec<_>, _>>()?;
    equal("entries", entries.len(), wanted.len())?;
    let seen: BTreeSet<_> = entries.iter().map(|entry| entry.file_name().into_vec()).collect();
    ensure(seen == wanted, "every name is listed as it was made")?;
    for name in &wanted {
        same_bytes("content", &fs::read(dir.join(OsStr::from_bytes(name)))?, name)?;
    }
    fs::remove_dir_all(dir)?;
    Ok(())
}

pub(crate) fn exclusive_create(mount: &Mount) -> Step {
    let dir = mount.folder("exclusive")?;
    let path = dir.join("file");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o640);
    let mut file = options.open(&path)?;
    file.write_all(b"once")?;
    drop(file);
    refused("a second time", options.open(&path), &[Errno::EXIST])?;
    mount.drop_caches()?;
    let metadata = fs::metadata(&path)?;
    equal("mode", metadata.permissions().mode() & 0o7777, 0o640)?;
    equal("length", metadata.len(), 4)?;
    // A verifier kept in the times must not be left there.
    let age = metadata.modified()?.elapsed().unwrap_or_else(|ahead| ahead.duration());
    ensure(age.as_secs() < 24 * 3600, "the file was modified within a day of now")
}

pub(crate) fn remove_open_file(mount: &Mount) -> Step {
    let dir = mount.folder("remove-open")?;
    let path = dir.join("file");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    file.write_all(b"still here")?;
    file.sync_all()?;
    fs::remove_file(&path)?;
    refused("the name", fs::metadata(&path), &[Errno::NOENT])?;
    mount.drop_caches()?;
    file.write_all(b" and more")?;
    file.seek(SeekFrom::Start(0))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    same_bytes("content", &content, b"still here and more")?;
    drop(file);
    // The client renames an open file out of the way and removes it when it is closed.
    equal("names left", fs::read_dir(&dir)?.count(), 0)?;
    fs::remove_dir(&dir)?;
    Ok(())
}

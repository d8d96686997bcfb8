//! Extended attributes: kept with version 4.2, refused with version 4.1.

use std::fs;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, listxattr, removexattr, setxattr};
use rustix::io::Errno;

use crate::check::{equal, refused};
use crate::mount::Mount;
use crate::{Failure, Step};

const MANY: usize = 100;

fn value(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 1 << 16];
    let len = getxattr(path, name, &mut value[..])?;
    value.truncate(len);
    Ok(value)
}

/// The names of users' attributes, sorted.
fn names(path: &Path) -> Result<Vec<String>, Failure> {
    let mut list = vec![0; 1 << 16];
    let len = listxattr(path, &mut list[..])?;
    let names = list[..len].split(|byte| *byte == 0);
    let mut names =
        names.map(|name| String::from_utf8(name.to_vec())).collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| name.starts_with("user."));
    names.sort();
    Ok(names)
}

pub(crate) fn keep(mount: &Mount) -> Step {
    let dir = mount.folder("xattrs")?;
    let file = dir.join("file");
    fs::write(&file, "data")?;
    let either = XattrFlags::empty();
    let set = setxattr(&file, "user.name", b"one", either);
    if mount.options().version == "4.1" {
        return refused("version 4.1", set, &[Errno::OPNOTSUPP]);
    }
    set?;
    setxattr(&dir, "user.name", b"", either)?;
    mount.drop_caches()?;
    equal("value", value(&file, "user.name")?.as_slice(), b"one")?;
    equal("value of the folder", value(&dir, "user.name")?.len(), 0)?;
    let again = setxattr(&file, "user.name", b"two", XattrFlags::CREATE);
    refused("create again", again, &[Errno::EXIST])?;
    setxattr(&file, "user.name", b"two", XattrFlags::REPLACE)?;
    let other = setxattr(&file, "user.other", b"two", XattrFlags::REPLACE);
    refused("replace nothing", other, &[Errno::NODATA])?;
    equal("value", value(&file, "user.name")?.as_slice(), b"two")?;
    refused("absent", value(&file, "user.other"), &[Errno::NODATA])?;
    removexattr(&file, "user.name")?;
    refused("remove again", removexattr(&file, "user.name"), &[Errno::NODATA])?;
    equal("names", names(&file)?, Vec::new())?;
    many(mount, &file)
}

fn many(mount: &Mount, file: &Path) -> Step {
    let name = |number: usize| format!("user.attribute-{number:04}");
    for number in 0..MANY {
        setxattr(file, name(number), b"", XattrFlags::CREATE)?;
    }
    mount.drop_caches()?;
    equal("all names", names(file)?, (0..MANY).map(name).collect())?;
    equal("content", fs::read_to_string(file)?.as_str(), "data")
}

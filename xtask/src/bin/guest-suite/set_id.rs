//! The set-user-id and set-group-id bits: whoever may not set them cannot keep them over a change.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::Step;
use crate::check::equal;
use crate::mount::Mount;
use crate::other_user::{MEMBER, OWNER, STRANGER, act, act_as};

/// What `act_as` calls `change`.
pub(crate) const ACT: &str = "set-id";

/// Each name says what its user does to it.
const BY_OWNER: [&str; 4] = ["write", "truncate", "chgrp", "chmod-foreign"];
const BY_OTHERS: [&str; 2] = ["write", "truncate"];

pub(crate) fn fall(mount: &Mount) -> Step {
    let dir = mount.folder("set-id")?;
    for (folder, names) in [("owner", &BY_OWNER[..]), ("member", &BY_OTHERS), ("other", &BY_OTHERS)]
    {
        let folder = dir.join(folder);
        fs::create_dir(&folder)?;
        for name in names {
            let path = folder.join(name);
            fs::write(&path, "program")?;
            // A file of a group that its owner is not in.
            let group = if *name == "chmod-foreign" { 5000 } else { OWNER.group };
            chown(&path, Some(OWNER.user), Some(group))?;
            let mode = if *name == "chmod-foreign" { 0o777 } else { 0o6777 };
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    }
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    act(ACT, &dir.join("owner"))?;
    act_as(MEMBER, ACT, &dir.join("member"))?;
    act_as(STRANGER, ACT, &dir.join("other"))?;
    mount.drop_caches()?;
    for folder in ["owner", "member", "other"] {
        for entry in fs::read_dir(dir.join(folder))? {
            let entry = entry?;
            let what = format!("mode after {} by {folder}", entry.file_name().to_string_lossy());
            equal(&what, format!("{:o}", entry.metadata()?.mode() & 0o7777), "777".to_owned())?;
        }
    }
    Ok(())
}

/// What a user does to each file of a folder.
pub(crate) fn change(dir: &Path) -> Step {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let open = || OpenOptions::new().write(true).open(&path);
        match path.file_name().and_then(|name| name.to_str()) {
            Some("write") => {
                let mut file = open()?;
                file.write_all(b"changed")?;
                file.sync_all()?;
            }
            Some("truncate") => open()?.set_len(2)?,
            Some("chgrp") => chown(&path, None, OWNER.also)?,
            // The set-group-id bit is for members of the group only: it is left out silently.
            Some("chmod-foreign") => fs::set_permissions(&path, Permissions::from_mode(0o2777))?,
            other => return Err(format!("{other:?}?").into()),
        }
    }
    Ok(())
}

//! Extended attributes as local processes see and set them.
mod common;

use std::path::Path;

use common::{USER, both, create, is_root, local, lookup, open, unprivileged, wait};
use holdfast_localfs::LocalFs;
use holdfast_vfs::{Cred, Error, FileSystem, Handle, XattrHow};
use rustix::fs::{XattrFlags, getxattr, setxattr};

const ROOT: Cred = Cred::ROOT;

fn names(fs: &LocalFs, node: &Handle) -> Vec<Vec<u8>> {
    let mut names = wait(fs.listxattrs(&ROOT, node)).unwrap();
    names.sort();
    names
}

fn set_here(path: &Path, name: &str, value: &[u8]) -> rustix::io::Result<()> {
    local(|| setxattr(path, name, value, XattrFlags::empty()))
}

#[test]
fn names_are_those_of_the_namespace_of_users() {
    both(|dir, fs| {
        if !fs.properties().xattrs {
            return;
        }
        let file = create(&fs, &ROOT, b"file", 0o600).unwrap().node;
        let path = dir.path().join("file");
        wait(fs.setxattr(&ROOT, &file, b"ours", b"value", XattrHow::Create)).unwrap();
        let mut value = [0; 16];
        let len = local(|| getxattr(&path, "user.ours", &mut value)).unwrap();
        assert_eq!(&value[..len], b"value");

        set_here(&path, "user.theirs", b"1").unwrap();
        set_here(&path, "user.security.theirs", b"2").unwrap();
        if is_root() {
            set_here(&path, "trusted.hidden", b"3").unwrap();
        }
        assert_eq!(names(&fs, &file), [&b"ours"[..], b"security.theirs", b"theirs"]);
        let hidden = wait(fs.getxattr(&ROOT, &file, b"hidden"));
        assert_eq!(hidden, Err(Error::NoXattr));
    });
}

#[test]
fn large_values_and_long_listings_are_whole() {
    both(|_, fs| {
        if !fs.properties().xattrs {
            return;
        }
        let file = create(&fs, &ROOT, b"file", 0o600).unwrap().node;
        let value = vec![7; 2000];
        wait(fs.setxattr(&ROOT, &file, b"large", &value, XattrHow::Either)).unwrap();
        assert_eq!(wait(fs.getxattr(&ROOT, &file, b"large")), Ok(value));
        wait(fs.removexattr(&ROOT, &file, b"large")).unwrap();
        let long = |number: u32| format!("{number:0200}").into_bytes();
        let mut all: Vec<_> = (0..8).map(long).collect();
        for name in &all {
            wait(fs.setxattr(&ROOT, &file, name, b"", XattrHow::Create)).unwrap();
        }
        all.sort();
        assert_eq!(names(&fs, &file), all);
    });
}

#[test]
fn the_link_itself_is_asked_not_its_target() {
    both(|dir, fs| {
        if !fs.properties().xattrs {
            return;
        }
        let file = create(&fs, &ROOT, b"file", 0o666).unwrap().node;
        local(|| std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap());
        let link = lookup(&fs, b"link").unwrap();
        let set = wait(fs.setxattr(&ROOT, &link, b"name", b"value", XattrHow::Either));
        assert_eq!(set, Err(Error::NotPermitted));
        assert!(names(&fs, &file).is_empty());
    });
}

#[test]
fn who_cannot_read_a_file_by_its_path_does_not_list_it_by_its_handle() {
    both(|_, fs| {
        if !fs.properties().xattrs || !fs.switches_users() {
            return;
        }
        let file = create(&fs, &ROOT, b"file", 0o600).unwrap().node;
        wait(fs.setxattr(&ROOT, &file, b"secret", b"value", XattrHow::Create)).unwrap();
        assert_eq!(wait(fs.listxattrs(&USER, &file)), Err(Error::AccessDenied));
        assert_eq!(wait(fs.getxattr(&USER, &file, b"secret")), Err(Error::AccessDenied));
        let set = wait(fs.setxattr(&USER, &file, b"secret", b"other", XattrHow::Either));
        assert_eq!(set, Err(Error::AccessDenied));
        let removed = wait(fs.removexattr(&USER, &file, b"secret"));
        assert_eq!(removed, Err(Error::AccessDenied));
    });
}

#[test]
fn a_file_system_without_them_says_so() {
    let fs = open(Path::new("/proc/sys"), unprivileged());
    assert!(!fs.properties().xattrs);
    let root = fs.root();
    assert_eq!(wait(fs.getxattr(&ROOT, &root, b"name")), Err(Error::NotSupported));
    assert_eq!(wait(fs.listxattrs(&ROOT, &root)), Err(Error::NotSupported));
    let set = wait(fs.setxattr(&ROOT, &root, b"name", b"value", XattrHow::Either));
    assert_eq!(set, Err(Error::NotSupported));
    assert_eq!(wait(fs.removexattr(&ROOT, &root, b"name")), Err(Error::NotSupported));
}

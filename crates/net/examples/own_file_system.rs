//! A file system of one's own: a directory with one file in it, to be mounted from port 20490.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_net::{Runtime, RuntimeConfig, ServeConfig, Service, StartError};
use holdfast_vfs::{
    Attr, Cred, DirEnd, DirEntry, DirSink, Error, File, FileKind, FileSystem, Fsid, Handle,
    OpenMode, ReadEnd, ReadSink, Reply, Time, Want,
};

const TEXT: &[u8] = b"Hello from a program.\n";
const DIRECTORY: Attr = Attr {
    kind: FileKind::Directory,
    mode: 0o555,
    nlink: 2,
    uid: 0,
    gid: 0,
    size: 0,
    used: 0,
    fileid: 1,
    fsid: Fsid { major: 77, minor: 1 },
    rdev: (0, 0),
    change: 1,
    atime: Time { sec: 0, nsec: 0 },
    mtime: Time { sec: 0, nsec: 0 },
    ctime: Time { sec: 0, nsec: 0 },
    btime: None,
};
const FILE: Attr =
    Attr { kind: FileKind::Regular, nlink: 1, size: TEXT.len() as u64, fileid: 2, ..DIRECTORY };

struct Hello;

fn hello() -> Handle {
    Handle::new(b"hello").expect("a handle has room for it")
}

impl FileSystem for Hello {
    fn root(&self) -> Handle {
        Handle::empty()
    }

    fn getattr(&self, _: &Cred, node: &Handle) -> Reply<'_, Attr> {
        Reply::now(Ok(if *node == hello() { FILE } else { DIRECTORY }))
    }

    fn lookup(&self, _: &Cred, _: &Handle, name: &[u8]) -> Reply<'_, Handle> {
        Reply::now(if name == b"hello" { Ok(hello()) } else { Err(Error::NotFound) })
    }

    fn open(&self, _: &Cred, node: &Handle, _: OpenMode, _: bool) -> Reply<'_, File> {
        Reply::now(if *node == hello() { Ok(File::new(())) } else { Err(Error::IsDirectory) })
    }

    fn readdir(
        &self,
        _: &Cred,
        _: &Handle,
        after: u64,
        _: usize,
        want: Want,
        sink: &mut dyn DirSink,
    ) -> Reply<'_, DirEnd> {
        let attr = want.attr.then_some(Ok(FILE));
        let handle = want.handle.then(hello);
        let entry = DirEntry { name: b"hello", cookie: 3, fileid: FILE.fileid, attr, handle };
        Reply::now(Ok(DirEnd { eof: after >= entry.cookie || sink.entry(&entry) }))
    }

    fn read(
        &self,
        _: &File,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Reply<'_, ReadEnd> {
        let rest = TEXT.get(offset as usize..).unwrap_or_default();
        let data = &rest[..len.min(rest.len())];
        sink.bytes(data);
        Reply::now(Ok(ReadEnd { count: data.len(), eof: data.len() == rest.len() }))
    }
}

pub(crate) fn serve(listen: SocketAddr) -> Result<Service, StartError> {
    let runtime = Runtime::start(RuntimeConfig::default())?;
    let config = ServeConfig { listen: vec![listen], ..ServeConfig::default() };
    runtime.serve(config, |server| server.root(Arc::new(Hello)))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = serve("127.0.0.1:20490".parse()?)?;
    // Until Enter is pressed.
    std::io::stdin().read_line(&mut String::new())?;
    assert!(service.stop().is_clean());
    Ok(())
}

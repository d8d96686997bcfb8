//! A file system of one's own, in less than 40 lines: a directory with one file in it. The rest
//! serves it, to be mounted from port 20490.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_net::{Runtime, RuntimeConfig, ServeConfig, Service, StartError};
use holdfast_vfs::{
    Attr, Cred, DirEnd, DirEntry, DirSink, Error, File, FileKind, FileSystem, Fsid, Handle,
    OpenMode, ReadEnd, ReadSink, Reply, Want,
};

const TEXT: &[u8] = b"Hello from a program.\n";
const FSID: Fsid = Fsid { major: 77, minor: 1 };
const DIRECTORY: Attr = Attr::new(FileKind::Directory, 1, FSID, 0);
const FILE: Attr = Attr::new(FileKind::Regular, 2, FSID, TEXT.len() as u64);

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
        let (attr, handle) = (want.attr.then_some(Ok(FILE)), want.handle.then(hello));
        let entry = DirEntry { name: b"hello", cookie: 3, fileid: FILE.fileid, attr, handle };
        Reply::now(Ok(DirEnd { eof: after >= entry.cookie || sink.entry(&entry) }))
    }

    fn read(&self, _: &File, at: u64, len: usize, sink: &mut dyn ReadSink) -> Reply<'_, ReadEnd> {
        Reply::now(Ok(sink.slice(TEXT, at, len)))
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

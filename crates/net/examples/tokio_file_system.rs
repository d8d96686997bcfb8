//! A file system inside a tokio program: it waits for tokio's timers, and Holdfast's event loops
//! serve it on port 20490.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_net::{Runtime, RuntimeConfig, ServeConfig, Service};
use holdfast_vfs::{
    Attr, Cred, DirEnd, DirSink, Error, File, FileKind, FileSystem, Fsid, Handle, OnRuntime,
    OpenMode, ReadEnd, ReadSink, Reply, Time, Want,
};

const TEXT: &[u8] = b"Hello after a while.\n";

struct Slow;

fn hello() -> Handle {
    Handle::new(b"hello").expect("a handle has room for it")
}

/// What another service would take its time for.
fn later<'a, T: Send + 'a>(answer: Result<T, Error>) -> Reply<'a, T> {
    Reply::later(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        answer
    })
}

impl FileSystem for Slow {
    fn root(&self) -> Handle {
        Handle::empty()
    }

    fn getattr(&self, _: &Cred, node: &Handle) -> Reply<'_, Attr> {
        let file = (FileKind::Regular, 2, TEXT.len() as u64);
        let directory = (FileKind::Directory, 1, 0);
        let (kind, fileid, size) = if *node == hello() { file } else { directory };
        let never = Time::default();
        later(Ok(Attr {
            kind,
            mode: 0o555,
            nlink: 1,
            uid: 0,
            gid: 0,
            size,
            used: size,
            fileid,
            fsid: Fsid { major: 77, minor: 2 },
            mounted_on: None,
            rdev: (0, 0),
            change: 1,
            atime: never,
            mtime: never,
            ctime: never,
            btime: None,
        }))
    }

    fn lookup(&self, _: &Cred, _: &Handle, name: &[u8]) -> Reply<'_, Handle> {
        later(if name == b"hello" { Ok(hello()) } else { Err(Error::NotFound) })
    }

    fn open(&self, _: &Cred, node: &Handle, _: OpenMode, _: bool) -> Reply<'_, File> {
        later(if *node == hello() { Ok(File::new(())) } else { Err(Error::IsDirectory) })
    }

    fn readdir(
        &self,
        _: &Cred,
        _: &Handle,
        _: u64,
        _: usize,
        _: Want,
        _: &mut dyn DirSink,
    ) -> Reply<'_, DirEnd> {
        // Who knows a name finds it.
        later(Ok(DirEnd { eof: true }))
    }

    fn read<'a>(
        &'a self,
        _: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        let rest = TEXT.get(offset as usize..).unwrap_or_default();
        let data = &rest[..len.min(rest.len())];
        sink.bytes(data);
        later(Ok(ReadEnd { count: data.len(), eof: data.len() == rest.len() }))
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Serves from within the tokio runtime that the caller is in.
pub(crate) async fn serve(listen: SocketAddr) -> Outcome<Service> {
    let tokio = tokio::runtime::Handle::current();
    let inside = move |run: &mut dyn FnMut()| {
        let _inside = tokio.enter();
        run();
    };
    let fs = Arc::new(OnRuntime::new(Slow, inside));
    // To start is to wait for threads.
    let start = move || {
        let runtime = Runtime::start(RuntimeConfig::default())?;
        let config = ServeConfig { listen: vec![listen], ..ServeConfig::default() };
        runtime.serve(config, |server| server.root(fs))
    };
    Ok(tokio::task::spawn_blocking(start).await??)
}

fn main() -> Outcome<()> {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    tokio.block_on(async {
        let service = serve("127.0.0.1:20490".parse()?).await?;
        let enter = || std::io::stdin().read_line(&mut String::new());
        tokio::task::spawn_blocking(enter).await??;
        let report = service.server().stop().await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    })
}

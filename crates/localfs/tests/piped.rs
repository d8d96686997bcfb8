//! Reads by way of pipes.
mod common;

use std::path::Path;

use common::{Bytes, TempDir, create, local, open, options, wait};
use holdfast_localfs::{Options, Probes};
use holdfast_vfs::{Cred, FileSystem, Piped, ReadEnd, ReadSink, Stability};

const ROOT: Cred = Cred::ROOT;

/// Takes data in either way, and notes in which it came.
#[derive(Default)]
struct Either {
    copied: Bytes,
    piped: Option<Box<dyn Piped>>,
}

impl ReadSink for Either {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.copied.buf(len)
    }

    fn filled(&mut self, len: usize) {
        self.copied.filled(len);
    }

    fn takes_pipe(&self) -> bool {
        true
    }

    fn pipe(&mut self, data: Box<dyn Piped>) {
        self.piped = Some(data);
    }
}

/// Everything that is in a pipe.
fn drain(piped: &mut Box<dyn Piped>) -> Vec<u8> {
    let mut all = Vec::new();
    while !piped.is_empty() {
        let mut part = vec![0; 50_000.min(piped.len())];
        let n = rustix::io::read(piped.reader(), &mut part).expect("there is data");
        piped.taken(n);
        all.extend_from_slice(&part[..n]);
    }
    all
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn places() -> [&'static Path; 2] {
    [Path::new("/tmp"), Path::new("/dev/shm")]
}

#[test]
fn the_bytes_and_the_end_are_those_of_a_copy() {
    for place in places() {
        let dir = TempDir::new(place);
        let fs = open(dir.path(), options());
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let data = pattern(2_500_001);
        wait(fs.write(&ROOT, &made.file, 0, &data, Stability::File)).unwrap();
        let mut piped = 0;
        for (offset, len) in [
            (0, 1 << 20),
            (0, 32 << 10),
            (4096, 1 << 20),
            (1, 1 << 20),
            (2_400_000, 1 << 20),
            (2_500_000, 1 << 20),
            (2_500_001, 1 << 20),
            (u64::MAX, 1 << 20),
        ] {
            let mut sink = Either::default();
            let end = wait(fs.read(&made.file, offset, len, &mut sink)).unwrap();
            let mut copy = Bytes::default();
            let expected = wait(fs.read(&made.file, offset, len, &mut copy)).unwrap();
            assert_eq!(end, expected, "{len} at {offset}");
            if let Some(pipe) = &mut sink.piped {
                piped += 1;
                assert_eq!(pipe.len(), end.count);
                assert!(drain(pipe) == copy.data, "{len} at {offset}");
                assert!(sink.copied.data.is_empty());
            } else {
                assert!(sink.copied.data == copy.data, "{len} at {offset}");
            }
        }
        assert!(piped >= 4, "{piped} of the reads went by a pipe");
    }
}

#[test]
fn what_is_not_in_memory_is_piped_by_a_thread_that_may_block() {
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
    let data = pattern(1 << 20);
    wait(fs.write(&ROOT, &made.file, 0, &data, Stability::File)).unwrap();
    local(|| {
        let file = std::fs::File::open(dir.path().join("file")).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    });
    let mut sink = Either::default();
    let end = wait(fs.read(&made.file, 0, data.len(), &mut sink)).unwrap();
    assert_eq!(end, ReadEnd { count: data.len(), eof: true });
    assert!(drain(&mut sink.piped.unwrap()) == data);
}

#[test]
fn beyond_the_last_pipe_data_is_copied_and_a_dropped_pipe_makes_room() {
    let dir = TempDir::new(Path::new("/dev/shm"));
    let fs = open(dir.path(), options());
    let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
    let data = pattern(100_000);
    wait(fs.write(&ROOT, &made.file, 0, &data, Stability::File)).unwrap();
    let read = || {
        let mut sink = Either::default();
        let end = wait(fs.read(&made.file, 0, data.len(), &mut sink)).unwrap();
        assert_eq!(end, ReadEnd { count: data.len(), eof: true });
        sink
    };
    for _ in 0..3 {
        let mut sinks: Vec<_> = (0..40).map(|_| read()).collect();
        let (with, without): (Vec<_>, Vec<_>) =
            sinks.iter_mut().partition(|sink| sink.piped.is_some());
        assert!(!with.is_empty() && !without.is_empty());
        assert!(without.iter().all(|sink| sink.copied.data == data));
        // Half of them are emptied, the others thrown away full.
        for sink in with.into_iter().step_by(2) {
            assert!(drain(sink.piped.as_mut().unwrap()) == data);
        }
    }
}

#[test]
fn without_pipes_everything_is_copied() {
    let dir = TempDir::new(Path::new("/dev/shm"));
    let fs =
        open(dir.path(), Options { probes: Probes { pipes: false, ..Probes::ALL }, ..options() });
    let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
    let data = pattern(1 << 20);
    wait(fs.write(&ROOT, &made.file, 0, &data, Stability::File)).unwrap();
    let mut sink = Either::default();
    wait(fs.read(&made.file, 0, data.len(), &mut sink)).unwrap();
    assert!(sink.piped.is_none() && sink.copied.data == data);
}

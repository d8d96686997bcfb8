//! A start that fails, at each of its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_proto::nfs4::{Op, Status};
use holdfast_server::{Export, Exports, Phase, Squash, StartError};

use crate::support::fixture::memfs;
use crate::support::rig::Rig;

/// A start must have failed: nothing is left of it.
#[track_caller]
fn assert_undone(rig: &Rig) {
    assert_eq!(rig.server.phase(), Phase::Down);
    assert!(rig.server.instance().is_none() && rig.server.running().is_empty());
    assert_eq!((rig.host.threads(), rig.world.tasks()), (0, 0));
}

/// The next start works, and the one that failed was a generation of its own.
#[track_caller]
fn assert_starts(rig: &Rig) {
    rig.start().expect("the next start works");
    assert_eq!((rig.server.phase(), rig.server.generation()), (Phase::Up, 2));
    assert_eq!((rig.host.threads(), rig.world.tasks()), (4, 1));
    let mut client = rig.client("a");
    assert_eq!(client.status(&[Op::PutRootFh, Op::GetFh]), Status::OK);
    drop(client);
    assert!(rig.stop().is_clean());
    assert_undone(rig);
}

fn rig() -> Rig {
    Rig::down_with(|builder| builder.threads(4))
}

#[track_caller]
fn assert_one_line(error: &StartError, line: &str) {
    assert_eq!(error.to_string(), line);
}

/// T07: the exports.
#[test]
fn a_start_whose_exports_cannot_be_opened_is_undone() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let rig = Rig::down_with(|builder| {
        builder.threads(4).open_exports(move |_world| {
            if is_broken.load(Ordering::Relaxed) {
                return Err("/srv: no such folder".to_owned());
            }
            let world = crate::support::world::TestWorld::new(2);
            let export = Export::new("/", memfs(&world)).squash(Squash::None);
            Exports::new(vec![export]).map_err(|error| error.to_string())
        })
    });
    let error = rig.start().unwrap_err();
    assert!(matches!(error, StartError::Exports(_)));
    assert_one_line(&error, "/srv: no such folder");
    assert_eq!(rig.log.take(), [""; 0]);
    assert_undone(&rig);
    broken.store(false, Ordering::Relaxed);
    assert_starts(&rig);
}

/// T07: exports that make no tree.
#[test]
fn a_start_with_two_exports_in_one_place_says_so() {
    let rig = Rig::down_with(|builder| {
        let world = crate::support::world::TestWorld::new(2);
        builder.export(Export::new("/", memfs(&world)))
    });
    let error = rig.start().unwrap_err();
    assert!(matches!(&error, StartError::Exports(why) if !why.contains('\n') && why.contains('/')));
    assert_undone(&rig);
}

/// T07: the record of clients.
#[test]
fn a_start_whose_record_cannot_be_read_is_undone() {
    let rig = rig();
    rig.records.fail(&["load"]);
    let error = rig.start().unwrap_err();
    assert_one_line(&error, "the record of clients: the disk is full");
    assert_eq!(rig.log.take(), ["records.load"]);
    assert_undone(&rig);
    rig.records.fail(&[]);
    assert_starts(&rig);
}

/// T07: the executor.
#[test]
fn a_start_in_a_world_that_ends_is_undone() {
    let rig = rig();
    rig.world.set_closed(true);
    let error = rig.start().unwrap_err();
    assert_eq!(error, StartError::Closed);
    assert_one_line(&error, "the program is stopping");
    assert!(!rig.log.take().iter().any(|line| line == "listen"));
    assert_undone(&rig);
    rig.world.set_closed(false);
    assert_starts(&rig);
}

/// T07: the third of four threads.
#[test]
fn a_start_whose_third_thread_fails_is_undone() {
    let rig = rig();
    rig.host.break_thread(Some(3));
    let error = rig.start().unwrap_err();
    assert_eq!(error, StartError::Workers("worker thread 3 cannot be started".to_owned()));
    assert_one_line(&error, "worker thread 3 cannot be started");
    assert_eq!(rig.log.take(), ["records.load", "resize 0"]);
    assert_undone(&rig);
    rig.host.break_thread(None);
    assert_starts(&rig);
}

/// T07: the listener.
#[test]
fn a_start_whose_listener_fails_is_undone() {
    let rig = rig();
    rig.host.fail(&["listen"]);
    let error = rig.start().unwrap_err();
    assert_eq!(error, StartError::Listen("port 2049 is in use".to_owned()));
    assert_one_line(&error, "port 2049 is in use");
    assert_eq!(rig.log.take(), ["records.load", "resize 4", "listen", "resize 0"]);
    assert_undone(&rig);
    rig.host.fail(&[]);
    assert_starts(&rig);
}

/// T07: a failed start ends no grace period and forgets nobody.
#[test]
fn a_failed_start_takes_no_part_in_grace() {
    let rig = Rig::up();
    drop(rig.client("a"));
    assert!(rig.stop().is_clean());
    rig.host.fail(&["listen"]);
    rig.start().unwrap_err();
    assert_eq!(rig.records.owners(), ["a"]);
    assert_eq!(rig.log.count("records.end_grace"), 0);
    rig.host.fail(&[]);
    rig.start().expect("it starts");
    assert_eq!(rig.grace_ended(), None);
}

/// A start that nobody waits for any more, at each place where it waits. What the host began to
/// start is the next start's.
#[test]
fn a_start_whose_future_is_dropped_leaves_nothing_half_started() {
    for steps in 0..8 {
        let rig = rig();
        rig.world.set_pausing(true);
        let mut start = rig.starting();
        for _ in 0..steps {
            start.poll();
        }
        drop(start);
        rig.world.run_tasks();
        rig.world.set_pausing(false);
        if rig.server.phase() == Phase::Up {
            assert_eq!((rig.host.threads(), rig.world.tasks()), (4, 1));
            assert!(rig.stop().is_clean());
        }
        assert_eq!((rig.server.phase(), rig.world.tasks()), (Phase::Down, 0));
        rig.start().expect("the next start works");
        assert!(rig.stop().is_clean());
        assert_undone(&rig);
    }
}

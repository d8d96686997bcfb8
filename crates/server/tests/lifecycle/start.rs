//! A start that fails, at each of its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_proto::nfs4::{Op, Status};
use holdfast_server::{Export, Exports, Phase, Squash, StartError};

use crate::support::admin::Admin;
use crate::support::fixture::memfs;
use crate::support::rig::{BUDGET, Rig};

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

/// A start that nobody waits for any more, at each place where it waits.
#[test]
fn a_start_whose_future_is_dropped_goes_on() {
    for steps in 1..8 {
        let rig = rig();
        rig.world.set_pausing(true);
        let mut start = rig.starting();
        start.poll();
        for _ in 1..steps {
            rig.world.woken_tasks().into_iter().for_each(|task| rig.world.poll_task(task));
            start.poll();
        }
        drop(start);
        rig.world.run_tasks();
        assert_eq!(rig.server.phase(), Phase::Up, "{steps}");
        assert_eq!((rig.host.threads(), rig.world.tasks()), (4, 1));
        assert_eq!(rig.log.count("listen"), 1);
        rig.world.set_pausing(false);
        assert_eq!(rig.start(), Err(StartError::AlreadyUp));
        assert!(rig.stop().is_clean());
        assert_undone(&rig);
    }
}

/// A start that was never polled has not begun.
#[test]
fn a_start_whose_future_is_dropped_unpolled_is_none() {
    let rig = rig();
    drop(rig.starting());
    assert_eq!((rig.server.phase(), rig.server.generation()), (Phase::Down, 0));
    rig.start().expect("it starts");
}

/// A stop at each place where a start waits, and where it does not any more.
#[test]
fn a_stop_that_comes_during_a_start_undoes_it() {
    let mut seen = std::collections::BTreeSet::new();
    for steps in 1..10 {
        let rig = rig();
        rig.world.set_pausing(true);
        let mut start = rig.starting();
        start.poll();
        for _ in 1..steps {
            rig.world.woken_tasks().into_iter().for_each(|task| rig.world.poll_task(task));
        }
        let was_up = rig.server.phase() == Phase::Up;
        let mut stop = rig.stopping();
        stop.poll();
        assert!(stop.settle(&rig.world), "it waits for nobody but the start");
        assert!(stop.out.is_some_and(|report| report.is_clean()));
        assert!(start.settle(&rig.world));
        assert_eq!(start.out, Some(if was_up { Ok(()) } else { Err(StartError::Stopped) }));
        assert_eq!(rig.log.count("listen"), rig.log.count("unlisten"), "{:?}", rig.log.lines());
        assert_undone(&rig);
        rig.world.set_pausing(false);
        assert_starts(&rig);
        seen.insert(was_up);
    }
    assert_eq!(seen.len(), 2, "before it was up, and after");
}

/// A start and a stop, in every order.
#[test]
fn whoever_starts_and_stops_is_answered() {
    let schedules = crate::support::explore::explore(1, |chooser| {
        let rig = rig();
        rig.world.set_pausing(true);
        let (start, stop, resize) = (rig.server.clone(), rig.server.clone(), rig.server.clone());
        let start = async move { start.start().await.is_ok() };
        let stop = async move { stop.stop().await.is_clean() };
        let resize = async move { resize.resize(2).await.is_ok_and(|it| it == 0 || it == 2) };
        let mut admins = [Admin::new(start), Admin::new(stop), Admin::new(resize)];
        crate::support::rig::run(&rig.world, chooser, &mut [], &mut admins, |_| {});
        assert!(admins[0].out.is_some() && admins[2].out == Some(true));
        assert_eq!(admins[1].out, Some(true));
        rig.world.set_pausing(false);
        if rig.server.phase() == Phase::Up {
            assert!(rig.stop().is_clean());
        }
        assert_undone(&rig);
    });
    crate::support::explore::say(&format!("T07: {schedules} schedules of start, stop, resize"));
}

/// workers that do not start are named and left, within the budget.
#[test]
fn a_stop_ends_a_start_whose_workers_never_start() {
    let rig = rig();
    rig.host.fail(&["resize"]);
    let mut start = rig.starting();
    assert!(!start.settle(&rig.world));
    rig.world.advance(Duration::from_secs(9));
    let running = rig.server.running();
    assert_eq!(running[0].to_string(), "the start of the workers, for 9.0 s");
    assert_eq!((rig.server.phase(), running.len()), (Phase::Starting, 2), "and the sweep");
    assert!(rig.server.status().instance.is_some() && rig.server.instance().is_none());
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    rig.world.advance(Duration::from_secs(3));
    assert!(!stop.settle(&rig.world), "it takes what threads there are back");
    rig.world.advance(BUDGET - Duration::from_secs(3));
    assert!(stop.settle(&rig.world));
    let report = stop.out.expect("it has ended").to_string();
    assert_eq!(report, "stopped; gave up on the end of the workers, for 30.0 s");
    assert!(start.settle(&rig.world));
    assert_eq!(start.out, Some(Err(StartError::Stopped)));
    assert_eq!((rig.server.phase(), rig.world.tasks()), (Phase::Down, 0));
    rig.host.fail(&[]);
    assert_starts(&rig);
}

/// an export that blocks its thread while it is opened.
#[test]
fn a_stop_does_not_wait_for_exports_that_never_open_and_names_them() {
    let (opened, is_opened) = std::sync::mpsc::channel::<()>();
    let is_opened = std::sync::Mutex::new(is_opened);
    let rig = Rig::down_with(|builder| {
        builder.threads(4).open_exports(move |_world| {
            let _ = is_opened.lock().expect("nobody panics").recv();
            let world = crate::support::world::TestWorld::new(2);
            let export = Export::new("/", memfs(&world)).squash(Squash::None);
            Exports::new(vec![export]).map_err(|error| error.to_string())
        })
    });
    std::thread::scope(|scope| {
        let server = rig.server.clone();
        let starting = scope.spawn(move || {
            let mut start = Admin::new(async move { server.start().await });
            start.poll();
            start
        });
        while rig.server.running().is_empty() {
            std::thread::yield_now();
        }
        let mut stop = rig.stopping();
        assert!(!stop.settle(&rig.world));
        rig.world.advance(BUDGET + Duration::from_secs(4));
        assert!(stop.settle(&rig.world));
        let report = stop.out.expect("it has ended").to_string();
        assert_eq!(report, "stopped; gave up on the opening of the exports, for 34.0 s");
        assert_eq!(rig.server.phase(), Phase::Starting, "it is not over");
        let mut next = rig.starting();
        assert!(!next.settle(&rig.world), "the next start waits for it");

        opened.send(()).expect("somebody waits");
        opened.send(()).expect("somebody waits");
        let mut start = starting.join().expect("it does not panic");
        assert!(start.settle(&rig.world));
        assert_eq!(start.out, Some(Err(StartError::Stopped)));
        assert!(next.settle(&rig.world));
        assert_eq!(next.out, Some(Ok(())));
    });
    assert_eq!((rig.server.generation(), rig.host.threads(), rig.log.count("listen")), (2, 4, 1));
    assert!(rig.stop().is_clean());
    assert_undone(&rig);
}

#[test]
fn a_server_that_is_dropped_while_it_starts_undoes_the_start() {
    let rig = rig();
    rig.world.set_pausing(true);
    let start = {
        let mut start = rig.starting();
        start.poll();
        start
    };
    drop(start);
    let Rig { world, server, host, log, .. } = rig;
    drop(server);
    world.run_tasks();
    assert_eq!((world.tasks(), host.threads(), log.count("listen")), (0, 0, 0));
}

/// A world that drops its tasks, as a process that ends does.
#[test]
fn a_start_and_a_stop_whose_world_is_gone_are_answered() {
    let rig = rig();
    rig.world.set_pausing(true);
    let mut start = rig.starting();
    start.poll();
    rig.world.drop_tasks();
    start.poll();
    assert_eq!(start.out, Some(Err(StartError::Closed)));
    assert_eq!(rig.server.phase(), Phase::Down);

    let mut again = rig.starting();
    again.settle(&rig.world);
    assert_eq!(again.out, Some(Ok(())));
    let mut stop = rig.stopping();
    stop.poll();
    rig.world.drop_tasks();
    stop.poll();
    assert_eq!(stop.out.map(|report| report.is_clean()), Some(true));
    assert_eq!(rig.server.phase(), Phase::Down);
}

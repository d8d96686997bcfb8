//! The threads that may block: how many there are, and for whom they work.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use common::gated_fs::Gate;
use common::{PATIENCE, config, memory, start, wait_until, with};
use holdfast_base::World;
use holdfast_net::Runtime;

/// Has this many threads wait for the gate.
fn hold(world: &dyn World, gate: &Arc<Gate>, jobs: usize) {
    for _ in 0..jobs {
        let gate = gate.clone();
        world.blocking(Box::new(move || gate.pass())).unwrap();
    }
}

#[test]
fn threads_come_and_go_while_others_work() {
    let service = start(config());
    let (world, gate) = (service.runtime().world(), Arc::new(Gate::default()));
    assert_eq!(service.resize(5), Ok(5));
    // One is kept for the service's file system.
    hold(&*world, &gate, 4);
    wait_until(|| gate.came() == 4);
    assert_eq!(service.resize(7), Ok(7));
    assert_eq!(service.resize(4), Ok(4), "those that are free leave first");
    std::thread::scope(|scope| {
        let _at_last = gate.open_at_last();
        let shrinking = scope.spawn(|| service.resize(2));
        wait_until(|| service.runtime().threads() == 4);
        gate.open();
        assert_eq!(shrinking.join().unwrap(), Ok(2), "the others leave after their jobs");
    });
    assert_eq!((service.threads(), service.runtime().threads()), (2, 2));
    assert_eq!(gate.came(), 4);
    assert_eq!(service.resize(0), Ok(0));
    assert_eq!(service.server().phase(), holdfast_server::Phase::Down);
    assert_eq!((service.threads(), service.runtime().threads()), (0, 0));
    assert_eq!(service.resize(3), Ok(0), "a service that is down has none");
}

#[test]
fn who_waits_for_a_thread_to_leave_hinders_no_other() {
    let (runtime, serve) = with(|_, serve| serve.threads = 4);
    let runtime = Runtime::start(runtime).unwrap();
    let serve = |budget| {
        let config = holdfast_net::ServeConfig { stop_budget: budget, ..serve.clone() };
        runtime.serve(config, |server| server.root(memory(runtime.world()))).unwrap()
    };
    let (one, other) = (serve(Duration::from_secs(1)), serve(PATIENCE));
    let (world, gate) = (runtime.world(), Arc::new(Gate::default()));
    // Two are kept for the file systems.
    hold(&*world, &gate, 6);
    wait_until(|| gate.came() == 6);
    std::thread::scope(|scope| {
        let _at_last = gate.open_at_last();
        let shrinking = scope.spawn(|| one.resize(1));
        wait_until(|| runtime.threads() == 6);
        assert_eq!(other.resize(7), Ok(7), "nobody has to leave for it, and two come");
        assert_eq!(shrinking.join().unwrap(), Ok(1));
        let shrinking = scope.spawn(|| other.resize(1));
        wait_until(|| runtime.threads() == 6);
        assert_eq!((one.stop().threads_left, one.threads()), (0, 0));
        one.start().unwrap();
        assert_eq!(one.threads(), 1, "as many as it had");
        gate.open();
        assert_eq!(shrinking.join().unwrap(), Ok(1));
    });
    assert_eq!(one.resize(1), Ok(1));
    wait_until(|| runtime.threads() == 2);
}

#[test]
fn every_job_is_done_whatever_becomes_of_the_threads() {
    const JOBS: usize = 20_000;
    let service = start(config());
    let (world, done) = (service.runtime().world(), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..JOBS {
                let done = done.clone();
                let job = move || {
                    done.fetch_add(1, Ordering::Relaxed);
                };
                world.blocking(Box::new(job)).unwrap();
            }
        });
        for round in 0..100 {
            let threads = 1 + round % 7;
            assert_eq!(service.resize(threads), Ok(threads));
        }
    });
    wait_until(|| done.load(Ordering::Relaxed) == JOBS);
    assert!(service.stop().is_clean());
}

#[test]
fn a_thread_that_fails_to_start_leaves_those_before_it() {
    let service = start(with(|runtime, _| {
        runtime.prepare_thread = Arc::new(move || {
            // After two threads and three more.
            let current = std::thread::current();
            assert_ne!(current.name(), Some("holdfast-pool-6"), "as it was told to");
        });
    }));
    let error = service.resize(9).unwrap_err();
    assert!(error.ends_with("it ended before it was ready; 5 of 9 run"), "{error}");
    assert_eq!((service.threads(), service.runtime().threads()), (5, 5));
    assert_eq!(service.resize(9), Ok(9));
    assert!(service.stop().is_clean());
}

#[test]
fn there_is_an_end_to_the_number_of_threads() {
    let (runtime, serve) = config();
    let runtime = Runtime::start(runtime).unwrap();
    let one = runtime.serve(serve.clone(), |server| server.root(memory(runtime.world())));
    let other = runtime.serve(serve, |server| server.root(memory(runtime.world())));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.resize(100_000), Ok(8190));
    assert_eq!((other.resize(3), runtime.threads()), (Ok(2), 8192));
    assert_eq!(one.resize(1), Ok(1));
    assert_eq!((other.resize(3), runtime.threads()), (Ok(3), 4));
}

#[test]
fn a_world_whose_jobs_never_end_leaves_threads_for_the_others() {
    let service = start(with(|_, serve| serve.threads = 6));
    let [hung, too, well] = [(); 3].map(|()| service.runtime().world());
    let gate = Arc::new(Gate::default());
    hold(&*hung, &gate, 100);
    hold(&*too, &gate, 100);
    let (tell, told) = channel();
    for number in 0..1000 {
        let tell = tell.clone();
        well.blocking(Box::new(move || tell.send(number).unwrap())).unwrap();
    }
    let done: Vec<i32> = (0..1000).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(done.into_iter().eq(0..1000), "the one thread does them in their order");
    // One more is kept for the service's file system.
    assert_eq!(gate.came(), 4);
    gate.open();
    wait_until(|| gate.came() == 200);
}

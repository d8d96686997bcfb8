//! The world: its clocks, tasks, timers and threads.

mod common;

use std::future::pending;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{PATIENCE, config, start, wait_until, with};
use holdfast_net::Left;

fn next<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).expect("it comes")
}

#[test]
fn timers_fire_in_the_order_of_their_moments() {
    let service = start(with(|runtime, _| runtime.loops = 2));
    let world = service.runtime().world();
    let (tell, told) = channel();
    let begin = world.now();
    // Each is woken on the loop of its task: one loop, so that the order can be seen.
    let slept = world.clone();
    let all = async move {
        let mut sleeps: Vec<_> = [30, 10, 20, 10, 0]
            .map(|ms| (ms, slept.sleep(begin + Duration::from_millis(ms))))
            .into();
        std::future::poll_fn(|cx| {
            sleeps.retain_mut(|(ms, sleep)| {
                let ready = sleep.as_mut().poll(cx).is_ready();
                if ready {
                    tell.send((*ms, slept.now())).unwrap();
                }
                !ready
            });
            if sleeps.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    };
    world.spawn(Box::pin(all)).unwrap();
    let fired: Vec<_> = (0..5).map(|_| next(&told)).collect();
    for (ms, at) in &fired {
        assert!(*at >= begin + Duration::from_millis(*ms), "none is early");
    }
    assert!(fired.is_sorted_by_key(|(_, at)| *at));
}

#[test]
fn a_timer_that_is_due_first_overtakes_one_that_was_set_before() {
    let service = start(config());
    let world = service.runtime().world();
    let (tell, told) = channel();
    for (name, after) in [("later", Duration::from_secs(3600)), ("sooner", Duration::ZERO)] {
        let (sleep, tell) = (world.sleep(world.now() + after), tell.clone());
        let task = async move {
            sleep.await;
            tell.send(name).unwrap();
        };
        world.spawn(Box::pin(task)).unwrap();
    }
    assert_eq!(next(&told), "sooner");
}

#[test]
fn a_task_that_panics_takes_nobody_with_it() {
    let service = start(config());
    let world = service.runtime().world();
    let (tell, told) = channel();
    world.spawn(Box::pin(async { panic!("as it was told to") })).unwrap();
    world.spawn(Box::pin(async move { tell.send(()).unwrap() })).unwrap();
    next(&told);
    // Another loop may have had it.
    wait_until(|| service.runtime().counters().tasks_panicked == 1);
    assert!(service.stop().is_clean());
}

#[test]
fn a_job_that_panics_takes_no_thread_with_it() {
    let service = start(with(|_, serve| serve.threads = 1));
    let world = service.runtime().world();
    let (tell, told) = channel();
    for _ in 0..3 {
        world.blocking(Box::new(|| panic!("as it was told to"))).unwrap();
    }
    world.blocking(Box::new(move || tell.send(()).unwrap())).unwrap();
    next(&told);
    assert_eq!(service.runtime().counters().jobs_panicked, 3);
    assert!(service.stop().is_clean());
}

#[test]
fn the_end_of_a_runtime_drops_tasks_that_wait() {
    let service = start(with(|runtime, _| runtime.loops = 2));
    let world = service.runtime().world();
    let kept = Arc::new(());
    for _ in 0..10 {
        let held = kept.clone();
        let task = async move {
            pending::<()>().await;
            drop(held);
        };
        world.spawn(Box::pin(task)).unwrap();
    }
    assert!(service.stop().is_clean());
    assert_eq!(service.runtime().stop(PATIENCE), Left::default());
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_task_may_be_woken_from_anywhere() {
    let service = start(with(|runtime, _| runtime.loops = 2));
    let world = service.runtime().world();
    let (tell, told) = channel();
    for round in 0..100 {
        let (world_inside, tell) = (world.clone(), tell.clone());
        let task = async move {
            let offloaded = holdfast_vfs::offload(&*world_inside, move || Ok(round));
            tell.send(offloaded.await).unwrap();
        };
        world.spawn(Box::pin(task)).unwrap();
    }
    let mut rounds: Vec<_> = (0..100).map(|_| next(&told).unwrap()).collect();
    rounds.sort_unstable();
    assert!(rounds.into_iter().eq(0..100));
}

#[test]
fn every_thread_is_prepared_before_it_works() {
    let prepared = Arc::new(Mutex::new(Vec::new()));
    let list = prepared.clone();
    let prepare_thread = Arc::new(move || {
        list.lock().unwrap().push(thread::current().name().map(str::to_owned));
    });
    let service = start(with(|runtime, serve| {
        runtime.loops = 2;
        runtime.prepare_thread = prepare_thread;
        serve.threads = 3;
    }));
    wait_until(|| prepared.lock().unwrap().len() == 5);
    drop(service);
    let mut names: Vec<_> = prepared.lock().unwrap().drain(..).flatten().collect();
    names.sort();
    let expected = ["loop-0", "loop-1", "pool-1", "pool-2", "pool-3"];
    assert!(names.iter().eq(&expected.map(|name| format!("holdfast-{name}"))));
}

#[test]
fn clocks_go_and_chance_differs() {
    let service = start(config());
    let world = service.runtime().world();
    let (first, wall) = (world.now(), world.wall());
    assert!(world.now() >= first);
    assert!(wall.sec > 1_700_000_000 && wall.nsec < 1_000_000_000);
    let (mut one, mut other) = ([0; 1000], [0; 1000]);
    world.random(&mut one);
    world.random(&mut other);
    assert_ne!(one, other);
}

//! The number of workers, changed while they work. The workers here are a model; how threads
//! come and go is tested where they are.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use holdfast_base::BoxFuture;
use holdfast_proto::nfs4::{Op, Status};
use holdfast_server::{Host, Instance, Phase};

use crate::support::admin::Admin;
use crate::support::ops;
use crate::support::probe_fs::Mood;
use crate::support::rig::Rig;
use crate::support::worker::Worker;

/// Workers by number, who are busy or not.
#[derive(Default)]
struct Crew(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    busy: Vec<bool>,
    left: Vec<usize>,
    waiting: Option<Waker>,
}

impl Crew {
    fn set_busy(&self, worker: usize, busy: bool) {
        let mut inner = self.0.lock().expect("setting does not panic");
        inner.busy[worker] = busy;
        if let Some(waker) = inner.waiting.take() {
            waker.wake();
        }
    }

    fn count(&self) -> usize {
        self.0.lock().expect("counting does not panic").busy.len()
    }

    fn left(&self) -> Vec<usize> {
        self.0.lock().expect("reading does not panic").left.clone()
    }
}

impl Host for Crew {
    fn listen(&self, _instance: &Arc<Instance>) -> Result<(), String> {
        Ok(())
    }

    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(poll_fn(move |cx| {
            let mut inner = self.0.lock().expect("counting does not panic");
            while inner.busy.len() < threads {
                inner.busy.push(false);
            }
            while inner.busy.len() > threads {
                if inner.busy.last() == Some(&true) {
                    inner.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                inner.busy.pop();
                let victim = inner.busy.len();
                inner.left.push(victim);
            }
            Poll::Ready(Ok(threads))
        }))
    }
}

fn resizing(rig: &Rig, threads: usize) -> Admin<Result<usize, String>> {
    let server = rig.server.clone();
    Admin::new(async move { server.resize(threads).await })
}

/// T08.
#[test]
fn a_worker_too_many_ends_after_its_reply_and_no_request_is_lost() {
    let crew = Arc::new(Crew::default());
    let rig = Rig::down_with(|builder| builder.host(crew.clone()).threads(8));
    rig.start().expect("it starts");
    let mut workers: Vec<_> =
        (0..8).map(|at| Worker::new(rig.client(&format!("client {at}")))).collect();
    rig.probe.set("make_node", Mood::After(Duration::from_secs(10)));
    workers[7].send_on(0, &[Op::PutRootFh, ops::mkdir(b"slow")]);
    crew.set_busy(7, true);

    let mut smaller = resizing(&rig, 3);
    assert!(!smaller.settle(&rig.world), "worker 7 is in a request");
    rig.probe.set("make_node", Mood::Now);
    for round in 0..9 {
        for (at, worker) in workers[..7].iter_mut().enumerate() {
            let name = format!("d{at}.{round}").into_bytes();
            worker.send_on(1, &[Op::PutRootFh, ops::mkdir(&name)]);
            assert_eq!(worker.replies.pop().map(|it| it.status()), Some(Status::OK));
        }
        rig.world.advance(Duration::from_secs(1));
        assert!(!smaller.settle(&rig.world) && workers[7].replies.is_empty());
        assert_eq!(crew.count(), 8);
    }
    rig.world.advance(Duration::from_secs(1));
    workers[7].settle();
    assert_eq!(workers[7].status(), Status::OK);
    assert!(crew.left().is_empty(), "its reply came first");
    crew.set_busy(7, false);
    assert!(smaller.settle(&rig.world));
    assert_eq!((smaller.out, crew.left()), (Some(Ok(3)), vec![7, 6, 5, 4, 3]));

    assert_eq!(resized(&rig, 16), Ok(16));
    assert_eq!(crew.count(), 16);
    for worker in &mut workers {
        worker.send_on(2, &[Op::PutRootFh, Op::GetFh]);
        assert_eq!(worker.replies.pop().map(|it| it.status()), Some(Status::OK));
    }
    assert_eq!(rig.probe.calls("make_node"), 9 * 7 + 1, "every request once");
    assert_eq!(rig.server.generation(), 1);
}

#[test]
fn a_resize_to_nothing_is_a_stop() {
    let rig = Rig::up();
    assert_eq!(resized(&rig, 0), Ok(0));
    assert_eq!((rig.server.phase(), rig.host.threads()), (Phase::Down, 0));
    assert_eq!(resized(&rig, 0), Ok(0), "and once more");
}

fn resized(rig: &Rig, threads: usize) -> Result<usize, String> {
    let mut resize = resizing(rig, threads);
    assert!(resize.settle(&rig.world), "nobody is in the way");
    resize.out.expect("it is done")
}

#[test]
fn a_thread_that_cannot_be_started_leaves_the_others() {
    let rig = Rig::up();
    rig.host.break_thread(Some(3));
    assert_eq!(resized(&rig, 5), Err("worker thread 3 cannot be started".to_owned()));
    assert_eq!((rig.host.threads(), rig.server.phase()), (2, Phase::Up));
}

#[test]
fn a_server_that_is_down_gets_no_workers() {
    let rig = Rig::down();
    assert_eq!(resized(&rig, 5), Ok(0));
    assert_eq!(rig.host.threads(), 0);
    rig.start().expect("it starts");
    assert_eq!(resized(&rig, 5), Ok(5));
    assert!(rig.stop().is_clean());
    assert_eq!(rig.host.threads(), 0);
}

/// A resize and a stop, in every order.
#[test]
fn a_stop_leaves_no_worker_whoever_asks_for_more_meanwhile() {
    let schedules = crate::support::explore::explore(3, |chooser| {
        let rig = Rig::up();
        rig.world.set_pausing(true);
        let (resize, stop) = (rig.server.clone(), rig.server.clone());
        let resize = async move { resize.resize(3).await.is_ok() };
        let stop = async move { stop.stop().await.is_clean() };
        let mut admins = [Admin::new(resize), Admin::new(stop)];
        crate::support::rig::run(&rig.world, chooser, &mut [], &mut admins, |_| {});
        assert!(admins[0].out.is_some(), "the resize is answered");
        assert_eq!(admins[1].out, Some(true));
        assert_eq!((rig.host.threads(), rig.world.tasks()), (0, 0));
        assert_eq!(rig.server.phase(), Phase::Down);
    });
    crate::support::explore::say(&format!("T08: {schedules} schedules of a resize and a stop"));
}

#[test]
fn a_number_that_was_reached_is_the_next_starts() {
    let rig = Rig::down_with(|builder| builder.threads(8));
    rig.start().expect("it starts");
    assert_eq!(resized(&rig, 3), Ok(3));
    rig.restart();
    assert_eq!(rig.host.threads(), 3);
    rig.host.break_thread(Some(5));
    resized(&rig, 6).unwrap_err();
    assert_eq!(rig.host.threads(), 4);
    rig.restart();
    assert_eq!(rig.host.threads(), 3, "one that was not reached would let no start succeed");
    assert_eq!(resized(&rig, 0), Ok(0));
    rig.start().expect("it starts");
    assert_eq!(rig.host.threads(), 3, "a stop is no number");
}

/// Several who change the number: one after the other.
#[test]
fn one_change_of_the_number_is_made_after_the_other() {
    let crew = Arc::new(Crew::default());
    let rig = Rig::down_with(|builder| builder.host(crew.clone()).threads(4));
    rig.start().expect("it starts");
    crew.set_busy(3, true);
    let mut smaller = resizing(&rig, 2);
    assert!(!smaller.settle(&rig.world), "worker 3 is in a request");
    let mut larger = resizing(&rig, 6);
    assert!(!larger.settle(&rig.world), "it waits for the one before");
    assert_eq!(crew.count(), 4);
    crew.set_busy(3, false);
    assert!(smaller.settle(&rig.world));
    assert_eq!((smaller.out, crew.count()), (Some(Ok(2)), 2));
    assert!(larger.settle(&rig.world));
    assert_eq!((larger.out, crew.count()), (Some(Ok(6)), 6));

    crew.set_busy(5, true);
    let mut dropped = resizing(&rig, 1);
    assert!(!dropped.settle(&rig.world));
    drop(dropped);
    assert_eq!(resized(&rig, 7), Ok(7), "who gives up lets the next one go on");
    crew.set_busy(5, false);
    assert!(rig.stop().is_clean());
}

/// One that waits for another does not hold up the stop.
#[test]
fn a_change_that_waits_when_the_stop_comes_is_none() {
    let crew = Arc::new(Crew::default());
    let rig = Rig::down_with(|builder| builder.host(crew.clone()).threads(4));
    rig.start().expect("it starts");
    crew.set_busy(3, true);
    let mut first = resizing(&rig, 2);
    assert!(!first.settle(&rig.world));
    let mut second = resizing(&rig, 6);
    assert!(!second.settle(&rig.world));
    let mut stop = Admin::new(rig.server.stop());
    assert!(!stop.settle(&rig.world));
    assert!(second.settle(&rig.world));
    assert_eq!(second.out, Some(Ok(0)));
    crew.set_busy(3, false);
    assert!(first.settle(&rig.world) && stop.settle(&rig.world));
    assert_eq!((crew.count(), rig.server.phase()), (0, Phase::Down));
}

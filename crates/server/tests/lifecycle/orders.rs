//! Small schedules, all of them: workers inside an operation against a server that stops, starts
//! and stops.

use holdfast_proto::nfs4::{BindConnToSessionArgs, ClientId, DirFromClient, Op, SessionId, Status};
use holdfast_server::{Phase, StopReport};

use crate::support::admin::Admin;
use crate::support::client::{Client, FORE, create_session, exchanged};
use crate::support::explore::{Chooser, explore, say};
use crate::support::ops;
use crate::support::rig::{Rig, run};
use crate::support::worker::Worker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Create,
    Destroy,
    Bind,
}

const DEEDS: [Deed; 3] = [Deed::Create, Deed::Destroy, Deed::Bind];

/// What a worker asks for, in the names of the generation it began in.
#[derive(Clone, Copy)]
struct Ask {
    deed: Deed,
    client: ClientId,
    session: SessionId,
}

impl Ask {
    fn op(&self) -> Op<'static> {
        match self.deed {
            Deed::Create => create_session(self.client, 1, FORE),
            Deed::Destroy => ops::destroy_session(self.session),
            Deed::Bind => Op::BindConnToSession(BindConnToSessionArgs {
                sessid: self.session,
                dir: DirFromClient::FORE_OR_BOTH,
                use_conn_in_rdma_mode: false,
            }),
        }
    }

    /// What the next generation must say to it.
    const fn stale(&self) -> Status {
        match self.deed {
            Deed::Create => Status::STALE_CLIENTID,
            Deed::Destroy | Deed::Bind => Status::BADSESSION,
        }
    }

    fn worker(&self, client: Client) -> Worker {
        Worker::with_bare(client, &[self.op()])
    }
}

/// A client with a session that was confirmed before, and what it is about to ask.
fn party(rig: &Rig, owner: &str, deed: Deed) -> (Ask, Worker) {
    let mut client = rig.client(owner);
    let mut ask = Ask { deed, client: client.clientid, session: client.session };
    if deed == Deed::Create {
        // Another life of the client, which replaces the first: that takes the most steps.
        let again = client.bare(&[ops::exchange_id(owner.as_bytes(), 2)]);
        ask.client = exchanged(&again).0;
    }
    let worker = ask.worker(client);
    (ask, worker)
}

/// How one generation was left.
struct Left {
    report: StopReport,
    tasks: usize,
    running: usize,
}

fn stop_start_stop(rig: &Rig) -> Admin<Vec<Left>> {
    let (server, world) = (rig.server.clone(), rig.world.clone());
    Admin::new(async move {
        let mut left = Vec::new();
        for again in [true, false] {
            let instance = server.instance().expect("the server is up");
            let report = server.stop().await;
            left.push(Left { report, tasks: world.tasks(), running: instance.running().len() });
            drop(instance);
            if again {
                server.start().await.expect("it starts again");
                // So that the clients find it up.
                world.handle().pause().await;
            }
        }
        left
    })
}

/// What the record and the host saw: one grace period a generation, at most one end of it, and
/// nothing of one generation after the next has begun.
fn check_log(lines: &[String]) {
    let stops: Vec<_> = (0..lines.len()).filter(|at| lines[*at] == "resize 0").collect();
    let starts: Vec<_> = (0..lines.len()).filter(|at| lines[*at] == "records.load").collect();
    assert_eq!((stops.len(), starts.len()), (2, 2), "{lines:?}");
    assert_eq!((starts[0], starts[1], stops[1]), (0, stops[0] + 1, lines.len() - 1), "{lines:?}");
    for generation in [&lines[..stops[0]], &lines[starts[1]..]] {
        let ends = generation.iter().filter(|line| *line == "records.end_grace").count();
        assert!(ends <= 1, "{lines:?}");
        assert_eq!(generation.iter().filter(|line| *line == "listen").count(), 1, "{lines:?}");
        assert_eq!(generation.iter().filter(|line| *line == "unlisten").count(), 1, "{lines:?}");
    }
    let second = &lines[starts[1] + 1..];
    assert!(!second.iter().any(|line| line.starts_with("records.")), "{lines:?}");
}

/// One schedule of two workers against stop, start, stop.
fn schedule(chooser: &mut Chooser, deeds: [Deed; 2], return_later: bool) {
    let rig = Rig::up();
    let (ask_a, a) = party(&rig, "a", deeds[0]);
    let (ask_b, b) = party(&rig, "b", deeds[1]);
    let (asks, mut workers) = ([ask_a, ask_b], [a, b]);
    let mut replies = [None, None];
    let mut admins = [stop_start_stop(&rig)];
    rig.world.set_pausing(true);
    run(&rig.world, chooser, &mut workers, &mut admins, |workers| {
        for at in 0..2 {
            let is_next = rig.server.generation() == 2 && rig.server.phase() == Phase::Up;
            if is_next && replies[at].is_none() {
                assert!(workers[at].client.is_none(), "its connection was closed by the stop");
                replies[at] = Some(std::mem::take(&mut workers[at].replies));
                if return_later {
                    // The client finds the server again and asks the same.
                    let client = Client::unknown(&rig.instance(), 2);
                    workers[at] = asks[at].worker(client);
                }
            }
        }
    });
    let left = admins[0].out.as_ref().expect("nothing waits for ever");
    assert!(left.iter().all(|it| it.report.is_clean() && it.tasks == 0 && it.running == 0));
    for at in 0..2 {
        let first = replies[at].take().expect("the second generation was up");
        assert!(first.len() <= 1, "an answer or a closed connection");
        assert!(first.iter().all(|reply| reply.status() == Status::OK), "{:?}", asks[at].deed);
        assert!(workers[at].client.is_none(), "its connection was closed by the second stop");
        let late = &workers[at].replies;
        assert!(late.iter().all(|reply| reply.status() == asks[at].stale()));
    }
    assert_eq!((rig.server.phase(), rig.world.tasks(), rig.host.threads()), (Phase::Down, 0, 0));
    check_log(&rig.log.take());
}

/// Every pair of deeds, in every order; answers how many schedules there were.
fn all_pairs(preemptions: usize, return_later: bool) -> usize {
    let mut all = 0;
    for (at, first) in DEEDS.into_iter().enumerate() {
        for second in &DEEDS[at..] {
            let deeds = [first, *second];
            all += explore(preemptions, |chooser| schedule(chooser, deeds, return_later));
        }
    }
    say(&format!("T02: {all} schedules of at most {preemptions} preemptions ({return_later})"));
    all
}

/// T02. A switch where a party waits is free; one where it could go on is a preemption.
#[test]
fn no_order_of_workers_stop_and_start_breaks_an_invariant() {
    assert!(all_pairs(2, false) > 10_000, "the explorer explores");
}

/// T02: the clients come back, and ask the next generation what they asked the one before.
#[test]
fn no_order_lets_a_client_carry_names_into_the_next_generation() {
    assert!(all_pairs(0, true) > 10_000, "the explorer explores");
}

/// T02, with two who stop and one who starts.
#[test]
fn everyone_who_stops_is_told_when_it_has_stopped() {
    let schedules = explore(0, |chooser| {
        let rig = Rig::up();
        let mut workers = [party(&rig, "a", Deed::Create).1];
        let stop = |rig: &Rig| {
            let server = rig.server.clone();
            async move { server.stop().await.is_clean() }
        };
        let start = {
            let server = rig.server.clone();
            async move { server.start().await.is_ok() }
        };
        let mut admins = [Admin::new(stop(&rig)), Admin::new(stop(&rig)), Admin::new(start)];
        rig.world.set_pausing(true);
        run(&rig.world, chooser, &mut workers, &mut admins, |_| {});
        assert!(admins.iter().all(|admin| admin.out.is_some()), "nobody waits for ever");
        assert_eq!([&admins[0].out, &admins[1].out], [&Some(true), &Some(true)]);
        let up = rig.server.phase() == Phase::Up;
        assert_eq!(rig.world.tasks(), usize::from(up), "the sweep, or nothing");
        assert_eq!(rig.log.count("records.load") as u64, rig.server.generation());
    });
    say(&format!("T02: {schedules} schedules of two stops and a start"));
}

/// T02: the explorer itself.
#[test]
fn the_explorer_takes_every_order_once() {
    let mut seen = std::collections::BTreeSet::new();
    let schedules = explore(usize::MAX, |chooser| {
        use crate::support::explore::Actor::Admin as It;
        let mut left = [2, 2];
        let mut order = Vec::new();
        while left != [0, 0] {
            let ready: Vec<_> = (0..2).filter(|at| left[*at] > 0).map(It).collect();
            let it = chooser.pick(&ready);
            let at = usize::from(it == It(1));
            left[at] -= 1;
            order.push(at);
        }
        assert!(seen.insert(order));
    });
    assert_eq!((schedules, seen.len()), (6, 6));
    let never = explore(0, |chooser| {
        use crate::support::explore::Actor::Admin as It;
        let first = chooser.pick(&[It(0), It(1)]);
        assert_eq!(chooser.pick(&[It(0), It(1)]), first);
    });
    assert_eq!(never, 2);
}

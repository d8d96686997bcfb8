//! Stops: said twice, waited for by nobody, or with something in the way that never ends.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{Op, Status};
use holdfast_server::{Export, Exports, Phase, Squash, StopReport};

use crate::support::client::Client;
use crate::support::fixture::{memfs, memfs_of};
use crate::support::ops;
use crate::support::peer::{Notified, Peer};
use crate::support::probe_fs::{Mood, Probe};
use crate::support::rig::{BUDGET, Rig};
use crate::support::worker::Worker;
use crate::support::world::TestWorld;

#[test]
fn a_stop_of_what_is_down_is_done() {
    let rig = Rig::down();
    assert_eq!(rig.stop(), StopReport::default());
    assert_eq!(rig.stop().to_string(), "stopped");
    assert_eq!((rig.server.phase(), rig.server.generation()), (Phase::Down, 0));
    assert_eq!(rig.log.take(), [""; 0]);
}

#[test]
fn two_who_stop_wait_for_one_stop() {
    let rig = Rig::up();
    let mut worker = Worker::new(rig.client("a"));
    let (mut first, mut second) = (rig.stopping(), rig.stopping());
    assert!(!first.settle(&rig.world) && !second.settle(&rig.world));
    assert_eq!(rig.server.phase(), Phase::Stopping);
    worker.settle();
    assert!(worker.client.is_none());
    assert!(second.settle(&rig.world) && first.settle(&rig.world));
    assert_eq!(first.out, second.out);
    assert_eq!(rig.log.count("unlisten"), 1);
    assert_eq!(rig.stop(), StopReport::default(), "and one who comes late");
    assert_eq!(rig.log.count("unlisten"), 1);
}

#[test]
fn a_stop_whose_future_is_dropped_goes_on() {
    let rig = Rig::up();
    let mut worker = Worker::new(rig.client("a"));
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    drop(stop);
    worker.settle();
    assert!(worker.client.is_none());
    rig.world.run_tasks();
    assert_eq!((rig.server.phase(), rig.world.tasks(), rig.host.threads()), (Phase::Down, 0, 0));
    rig.start().expect("it starts again");
}

#[test]
fn a_server_that_is_dropped_begins_its_stop() {
    let rig = Rig::up();
    let Rig { world, server, host, log, .. } = rig;
    let mut worker = Worker::new(Client::new(&server.instance().expect("it is up"), "a", 2));
    let instance = server.instance().expect("it is up");
    drop(server);
    assert!(!instance.running().is_empty(), "dropping it waits for nothing");
    world.run_tasks();
    assert!(worker.is_ready(), "the connection is told");
    worker.settle();
    assert!(worker.client.is_none());
    world.run_tasks();
    assert_eq!((world.tasks(), host.threads()), (0, 0));
    assert!(instance.running().is_empty());
    assert_eq!(log.lines().last().map(String::as_str), Some("resize 0"));
}

#[test]
fn a_stop_in_a_world_that_ends_is_done() {
    let rig = Rig::up();
    let mut worker = Worker::new(rig.client("a"));
    // Whoever looks at it does not keep it going.
    let _status = rig.server.status();
    rig.world.set_closed(true);
    assert!(rig.stop().is_clean());
    assert_eq!(rig.server.phase(), Phase::Down);
    worker.settle();
    assert!(worker.client.is_none(), "the connection is told");
}

#[test]
fn a_server_that_stops_takes_no_connection_and_no_request() {
    let rig = Rig::up();
    let instance = rig.instance();
    rig.probe.set("make_node", Mood::Later);
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    assert!(rig.server.connect(Arc::new(Notified::default())).is_none());
    let late = Peer::new(&instance);
    assert!(late.connection.is_closing() && late.connection.is_aborted());
    assert!(!late.connection.wants_input());
    drop(late);

    let client = worker.client.as_mut().expect("its request runs");
    assert!(client.peer.connection.is_closing() && !client.peer.connection.wants_input());
    assert!(!client.peer.connection.is_aborted());
    let record = client.in_session(1, false, &[Op::PutRootFh, Op::GetFh]);
    client.peer.send(&record).expect("the stream is whole");
    worker.step();
    assert_eq!(worker.status(), Status::DELAY, "what arrives all the same is put off");
    worker.replies.clear();
    assert!(rig.world.run_job());
    worker.settle();
    assert_eq!(worker.status(), Status::OK, "what ran is answered");
    assert!(worker.client.is_none());
    assert!(stop.settle(&rig.world) && stop.out.is_some_and(|report| report.is_clean()));
}

#[test]
fn a_stop_waits_for_what_comes_to_its_end_within_the_budget() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::After(BUDGET - Duration::from_secs(1)));
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    rig.world.advance(BUDGET - Duration::from_secs(1));
    worker.settle();
    assert_eq!(worker.status(), Status::OK);
    assert!(stop.settle(&rig.world));
    assert_eq!(stop.out.map(|report| report.to_string()).as_deref(), Some("stopped"));
}

/// A file system that never answers, and another on which things go well.
#[test]
fn a_stop_names_what_it_gives_up_on_and_closes_its_connection() {
    let world = TestWorld::new(1);
    let probe = Arc::new(Probe::new(memfs(&world), world.handle()));
    let exports = [
        Export::new("/bad", probe.clone()).squash(Squash::None),
        Export::new("/good", memfs_of(&world, 9)).squash(Squash::None),
    ];
    let rig = Rig::of(world, probe, |builder| {
        let open = move || Exports::new(exports.to_vec()).map_err(|error| error.to_string());
        builder.open_exports(move |_world| open())
    });
    rig.start().expect("it starts");
    let instance = rig.instance();
    let mut idle = Worker::new(rig.client("idle"));
    let mut hung = Worker::new(rig.client("hung"));
    rig.probe.set("make_node", Mood::Never);
    let hung_client = hung.client.as_ref().expect("the connection lives");
    let (session, slots) = (hung_client.session, hung_client.slots.clone());
    hung.send_on(3, &[Op::PutRootFh, ops::lookup(b"bad"), ops::mkdir(b"d")]);
    rig.world.advance(Duration::from_secs(5));
    idle.send_on(0, &[Op::PutRootFh, ops::lookup(b"good"), ops::mkdir(b"d"), Op::GetFh]);
    assert_eq!(idle.status(), Status::OK, "others notice nothing");

    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    idle.settle();
    hung.settle();
    assert!(idle.client.is_none() && hung.client.is_some());
    rig.world.advance(BUDGET - Duration::from_nanos(1));
    assert!(!stop.settle(&rig.world) && !hung.is_ready(), "there is time left");
    rig.world.advance(Duration::from_nanos(1));
    assert!(hung.is_ready() && !stop.settle(&rig.world));
    let late = Peer::new(&instance);
    drop(late);
    hung.settle();
    assert!(hung.client.is_none() && hung.replies.is_empty(), "closed without a reply");
    assert!(stop.settle(&rig.world));
    let report = stop.out.expect("it has ended");
    assert!(!report.is_clean());
    let request = report.given_up.iter().find(|it| it.what.starts_with("request"));
    let request = request.expect("the request is named").to_string();
    assert!(request.contains("CREATE on the file system of export /bad,"), "{request}");
    assert!(request.ends_with("for 35.0 s"), "{request}");
    assert!(report.given_up.iter().any(|it| it.what.starts_with("connection")));
    assert_eq!(report.given_up.len(), 2, "the sweep and the other connection ended: {report}");
    assert!(report.to_string().starts_with("stopped; gave up on connection "));
    assert!(report.to_string().contains("; request "));
    assert!(instance.running().is_empty());
    assert_eq!((rig.world.tasks(), rig.server.phase()), (0, Phase::Down));
    assert_eq!(rig.stop(), report, "who asks late is told the same");

    rig.probe.set("make_node", Mood::Now);
    rig.start().expect("it starts again");
    let mut back = Client::unknown(&rig.instance(), 2);
    (back.session, back.slots) = (session, slots);
    assert_eq!(back.status(&[]), Status::BADSESSION);
}

/// A driver that does not even drop the connection costs one second more.
#[test]
fn a_stop_ends_whatever_is_in_its_way() {
    let rig = Rig::up();
    let deaf = rig.client("deaf");
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    rig.world.advance(BUDGET);
    assert!(!stop.settle(&rig.world));
    assert!(deaf.peer.connection.is_aborted());
    rig.world.advance(Duration::from_secs(1));
    assert!(stop.settle(&rig.world));
    assert_eq!(stop.out.map(|report| report.given_up.len()), Some(1));
    assert_eq!((rig.world.tasks(), rig.host.threads()), (0, 0));
}

#[test]
fn a_session_whose_request_was_given_up_on_is_dead() {
    let rig = Rig::up();
    let instance = rig.instance();
    rig.probe.set("make_node", Mood::Never);
    let mut hung = Worker::new(rig.client("hung"));
    let mut twin = Client::unknown(&instance, 2);
    let client = hung.client.as_ref().expect("the connection lives");
    (twin.session, twin.slots) = (client.session, client.slots.clone());
    assert_eq!(twin.status(&[]), Status::OK, "a second connection of the session");
    hung.send_on(3, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    assert_eq!(twin.status(&[]), Status::DELAY, "the server stops");
    rig.world.advance(BUDGET);
    hung.settle();
    assert_eq!(twin.status(&[]), Status::BADSESSION, "its slot was never given back");
    drop(twin);
    assert!(stop.settle(&rig.world));
}

#[test]
fn an_instance_forgets_a_connection_that_is_gone() {
    let rig = Rig::up();
    let notified = Arc::new(Notified::default());
    let connection = rig.server.connect(notified.clone()).expect("the server is up");
    assert!(Arc::strong_count(&notified) > 1);
    drop(connection);
    assert_eq!(Arc::strong_count(&notified), 1, "nobody is told any more");
}

#[test]
fn a_connection_that_is_gone_takes_no_others_binding_with_it() {
    let rig = Rig::up();
    let mut client = rig.client("a");
    for _ in 0..100 {
        let mut twin = Client::unknown(&rig.instance(), 2);
        (twin.session, twin.slots) = (client.session, client.slots.clone());
        assert_eq!(twin.status(&[]), Status::OK, "what was closed takes no place");
        client.slots = twin.slots.clone();
    }
    let destroy = [ops::destroy_session(client.session)];
    assert_eq!(client.bare(&destroy).status(), Status::OK, "this one is still bound");
}

#[test]
fn what_runs_is_listed_while_the_server_is_up() {
    let rig = Rig::up();
    assert_eq!(rig.server.running().len(), 1, "the sweep");
    rig.probe.set("make_node", Mood::Never);
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let names: Vec<_> = rig.server.running().into_iter().map(|it| it.what).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "the sweep of leases");
    assert!(names[1].starts_with("connection ") && names[2].starts_with("request 0x"));
    drop(worker);
    assert_eq!(rig.server.running().len(), 1, "what was dropped is not listed");
    assert_eq!(rig.server.counters().connections, 1);
}

/// listeners that do not close.
#[test]
fn a_stop_names_listeners_that_do_not_close_and_goes_on() {
    let rig = Rig::up();
    rig.host.fail(&["unlisten"]);
    let mut worker = Worker::new(rig.client("a"));
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    rig.world.advance(Duration::from_secs(4));
    let running = rig.server.running();
    assert_eq!(running[0].to_string(), "the closing of the listeners, for 4.0 s");
    rig.world.advance(Duration::from_secs(1));
    assert!(!stop.settle(&rig.world));
    worker.settle();
    assert!(worker.client.is_none(), "the connection is told");
    assert!(stop.settle(&rig.world));
    let report = stop.out.expect("it has ended").to_string();
    assert_eq!(report, "stopped; gave up on the closing of the listeners, for 5.0 s");
    assert_eq!((rig.server.phase(), rig.host.threads(), rig.world.tasks()), (Phase::Down, 0, 0));
    rig.host.fail(&[]);
    rig.start().expect("it starts again");
}

/// workers that do not leave.
#[test]
fn a_stop_names_workers_that_do_not_leave() {
    let rig = Rig::up();
    rig.host.fail(&["resize"]);
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    rig.world.advance(BUDGET);
    assert!(stop.settle(&rig.world));
    let report = stop.out.expect("it has ended").to_string();
    assert_eq!(report, "stopped; gave up on the end of the workers, for 30.0 s");
}

#[test]
fn what_stops_can_be_looked_at_until_it_has_stopped() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::Later);
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let counted = rig.server.counters();
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    let status = rig.server.status();
    assert_eq!((status.phase, status.generation), (Phase::Stopping, 1));
    let instance = status.instance.expect("it is there until it has stopped");
    assert!(rig.server.instance().is_none(), "it is not up");
    let names: Vec<_> = rig.server.running().into_iter().map(|it| it.what).collect();
    assert!(names[0].starts_with("connection ") && names[1].starts_with("request "), "{names:?}");
    assert_eq!((rig.server.counters(), instance.counters()), (counted, counted));
    assert!(rig.world.run_job());
    worker.settle();
    assert!(stop.settle(&rig.world));
    let status = rig.server.status();
    assert!(status.phase == Phase::Down && status.instance.is_none());
    assert_eq!((rig.server.running(), rig.server.counters()), (Vec::new(), counted));
}

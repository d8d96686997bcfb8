//! What a panic inside one piece leaves, and what a state id of elsewhere is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use holdfast_base::{BoxFuture, Closed, Job, WallTime};
use holdfast_engine::Principal;
use holdfast_engine::server::{CreateSession, Created, ExchangeId, SessionTerms};
use holdfast_proto::nfs4::{ChannelAttrs, ClientId, CreateSessionFlags, SessionId, Verifier};

use super::*;
use crate::records::MemoryRecords;

/// A world in which nothing moves but its clock, by hand.
struct Still(AtomicU64);

impl World for Still {
    fn now(&self) -> Instant {
        Instant::from_ns(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(3);
    }

    fn sleep(&self, _until: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        Err(Closed)
    }

    fn blocking(&self, _job: Job) -> Result<(), Closed> {
        Err(Closed)
    }
}

const LEASE: Duration = Duration::from_secs(90);

fn state() -> State {
    state_in(Arc::new(Still(AtomicU64::new(1))))
}

fn state_in(world: Arc<Still>) -> State {
    let lease = LEASE;
    let owners = [Box::<[u8]>::from(*b"a")];
    let grace = Grace::start(Instant::default(), lease, lease, owners);
    let records = Arc::new(MemoryRecords::new());
    State::new(world, Origin { tag: [1, 2, 3, 4], lease, grace, records })
}

/// The output of a future that never waits here.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing waits here"),
    }
}

fn poison<T>(state: &State, piece: &Piece<T>) {
    let step = || now(state.with(piece, |_| panic!("a step was told to panic")));
    assert!(catch_unwind(AssertUnwindSafe(step)).is_err());
}

/// T09.
#[test]
fn a_poisoned_piece_answers_serverfault_and_the_others_go_on() {
    let state = state();
    let (bad, good) = (FileKey::new(&[1]).unwrap(), FileKey::new(&[2]).unwrap());
    poison(&state, state.files(&bad));
    for times in 1..=3 {
        assert_eq!(now(state.with(state.files(&bad), |_| ())), Err(Status::SERVERFAULT));
        assert_eq!(state.counters.snapshot().poisoned, times);
    }
    assert_eq!(now(state.with(state.files(&good), |_| ())), Ok(()));
    assert_eq!(now(state.with(state.clients(), |clients| clients.len())), Ok(0));
    now(state.expire());
    assert_eq!(state.counters.snapshot().poisoned, 3);
}

/// T09, A-24: nobody knows what a poisoned record of clients says, so nothing new is granted.
#[test]
fn a_poisoned_record_of_clients_ends_no_grace_period() {
    let state = state();
    poison(&state, &state.records);
    assert_eq!(now(state.check_grace()), Err(Status::GRACE));
    assert!(!now(state.force_grace_end()));
    now(state.expire());
    assert_eq!(now(state.check_grace()), Err(Status::GRACE));
    assert_eq!(state.counters.snapshot().grace_ends, 0);
    assert_eq!(now(state.reclaim_complete(ClientId(1))), Err(Status::SERVERFAULT));
}

/// T09: a session that is poisoned is dead, and swept out of the table.
#[test]
fn a_poisoned_session_is_dead_and_forgotten() {
    let state = state();
    let terms = SessionTerms {
        flags: CreateSessionFlags::empty(),
        fore: ChannelAttrs::default(),
        back: ChannelAttrs::default(),
    };
    let id = SessionId([7; 16]);
    let cell = Arc::new(SessionCell::new((id, ClientId(1)), terms, 1, Arc::default(), state.now()));
    state.add_session(cell.clone());
    poison(&state, &cell.piece);
    assert!(!cell.is_dead());
    assert!(!state.any_busy(&[id]), "it reads as if it were not there");
    assert!(cell.is_dead());
    now(state.expire());
    assert!(state.session(&id).is_err());
}

#[test]
fn a_session_that_died_renews_no_lease_when_it_is_forgotten() {
    let clock = Arc::new(Still(AtomicU64::new(1)));
    let (state, start) = (state_in(clock.clone()), clock.now());
    let principal = Principal::None;
    let exchange = ExchangeId { owner: b"b", verifier: Verifier([1; 8]), principal, update: false };
    let known = now(state.with(state.clients(), |c| c.exchange_id(&exchange, start, |_| false)));
    let client = known.unwrap().unwrap().clientid;
    let channel = ChannelAttrs {
        maxrequestsize: 1 << 20,
        maxresponsesize: 1 << 20,
        maxresponsesize_cached: 1 << 12,
        maxoperations: 16,
        maxrequests: 1,
        ..ChannelAttrs::default()
    };
    let terms = SessionTerms { flags: CreateSessionFlags::empty(), fore: channel, back: channel };
    let create = CreateSession { client, sequence: 1, principal, terms, slots: 1, nonce: [1; 4] };
    let made = now(state.with(state.clients(), |c| c.create_session(&create, start, |_| false)));
    let Ok(Ok(Created::New { ok, .. })) = made else { panic!("it is made: {made:?}") };
    let id = ok.sessionid;
    let cell = Arc::new(SessionCell::new((id, client), terms, 1, Arc::default(), start));
    state.add_session(cell.clone());
    cell.kill();
    for later in [LEASE / 2, LEASE + Duration::from_secs(1)] {
        assert_eq!(state.counters.snapshot().clients_expired, 0);
        clock.0.store(later.as_nanos() as u64, Ordering::Relaxed);
        now(state.expire());
        assert!(state.session(&id).is_err(), "it is forgotten at the first look");
    }
    assert_eq!(state.counters.snapshot().clients_expired, 1);
}

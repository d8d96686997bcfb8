//! What a panic inside one piece leaves, and what a state id of elsewhere is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use holdfast_base::{BoxFuture, Closed, Job, WallTime};
use holdfast_proto::nfs4::{ClientId, SessionId};

use super::*;
use crate::records::MemoryRecords;

/// A world in which nothing moves.
struct Still;

impl World for Still {
    fn now(&self) -> Instant {
        Instant::from_ns(1)
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

fn state() -> State {
    let lease = Duration::from_secs(90);
    let owners = [Box::<[u8]>::from(*b"a")];
    let grace = Grace::start(Instant::default(), lease, lease, owners);
    let records = Arc::new(MemoryRecords::new());
    State::new(Arc::new(Still), Origin { tag: [1, 2, 3, 4], lease, grace, records })
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

/// T09: the grace period still ends when the record of clients is poisoned.
#[test]
fn a_poisoned_record_of_clients_holds_up_no_end_of_grace() {
    let state = state();
    poison(&state, &state.records);
    assert_eq!(now(state.check_grace()), Err(Status::GRACE));
    assert!(now(state.force_grace_end()));
    assert_eq!(now(state.check_grace()), Ok(()));
    assert_eq!(now(state.reclaim_complete(ClientId(1))), Err(Status::SERVERFAULT));
}

/// T09: a session that is poisoned is dead, and swept out of the table.
#[test]
fn a_poisoned_session_is_dead_and_forgotten() {
    let state = state();
    let terms = holdfast_engine::server::SessionTerms {
        flags: holdfast_proto::nfs4::CreateSessionFlags::empty(),
        fore: holdfast_proto::nfs4::ChannelAttrs::default(),
        back: holdfast_proto::nfs4::ChannelAttrs::default(),
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

//! The rules, with CPUs and loads as one likes.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::mailbox::Delivery;

/// The CPUs of three loops.
const CPUS: [usize; 3] = [2, 4, 7];
const LATER: Instant = Instant::from_ns(u64::MAX / 2);

/// The first of three loops, and the mailboxes, without which there are no loops.
fn first(cpus: &[usize]) -> (Place, Vec<Arc<Mailbox>>) {
    let mailboxes: Vec<_> = (0..3).map(|_| Arc::new(Mailbox::new().expect("an eventfd"))).collect();
    let placement = Placement::Follow(Follow::default());
    (Place::on(placement, &mailboxes, cpus).swap_remove(0), mailboxes)
}

fn rules() -> Follow {
    Follow::default()
}

fn look(calls: u64) -> Look {
    Look { wakeups: 64, calls, moved: Instant::from_ns(0) }
}

fn set_busy(place: &Place, percents: [u64; 3]) {
    for (seat, percent) in place.all.seats.iter().zip(percents) {
        seat.load.tell(percent, LATER);
    }
}

#[test]
fn a_connection_goes_where_its_packets_arrive_if_there_is_time_for_it() {
    let (place, _mailboxes) = first(&CPUS);
    // Which batches go to a loop that is so busy: of 1 call, and of 16.
    for (busy, small, large) in [
        (0, true, true),
        (70, true, true),
        (71, true, false),
        (90, true, false),
        (91, false, false),
    ] {
        set_busy(&place, [100, busy, 0]);
        let goes = |calls| place.follow(&rules(), &look(calls), Some(1), LATER) == Some(1);
        assert_eq!((goes(64), goes(16 * 64)), (small, large), "{busy} %");
    }
}

#[test]
fn a_connection_stays_for_a_while_where_it_has_moved_to() {
    let (place, _mailboxes) = first(&CPUS);
    set_busy(&place, [0; 3]);
    let moved = Look { moved: LATER, ..look(64) };
    let soon = LATER + rules().stay / 2;
    assert_eq!(place.follow(&rules(), &moved, Some(1), soon), None);
    assert_eq!(place.follow(&rules(), &moved, Some(1), LATER + rules().stay), Some(1));
}

#[test]
fn a_loop_that_is_too_busy_sheds_one_connection_at_a_time_to_the_least_busy_one() {
    let (mut place, _mailboxes) = first(&CPUS);
    let (half, stay) = (rules().stay / 2, rules().stay);
    set_busy(&place, [95, 40, 20]);
    assert_eq!(place.shed(&rules(), &look(64), LATER), None, "it is not known to be too busy");
    place.overloaded = Some(LATER);
    assert_eq!(place.shed(&rules(), &look(64), LATER + half), None, "it may be over soon");
    assert_eq!(place.shed(&rules(), &look(64), LATER + stay), Some(2));
    assert_eq!(place.shed(&rules(), &look(64), LATER + stay + half), None, "one was enough?");
    set_busy(&place, [95, 50, 60]);
    assert_eq!(place.shed(&rules(), &look(64), LATER + 2 * stay), None, "the others have enough");
}

#[test]
fn without_a_loop_for_each_cpu_nothing_moves() {
    for cpus in [&[][..], &[0], &[0, 1], &[0, 1, 2, 3]] {
        let (mut place, _mailboxes) = first(cpus);
        assert_eq!(place.look_every(), u32::MAX);
        assert!(place.all.seats.iter().all(|seat| seat.cpu.is_none()));
        assert!(place.choose(&look(64), true, None).is_none());
    }
}

/// What the kernel may say: nothing, and CPUs of nobody, of this loop and of another one.
#[test]
fn a_cpu_without_a_loop_draws_no_connection() {
    assert_eq!(chosen(|_| None), None);
    assert_eq!(chosen(|_| Some(3)), None);
    assert_eq!(chosen(|_| Some(2)), None);
    assert_eq!(chosen(|_| Some(7)), Some(2));
}

/// Where the first of three loops sends a connection when the others sleep.
fn chosen(incoming_cpu: fn(BorrowedFd<'_>) -> Option<usize>) -> Option<usize> {
    let (_, mailboxes) = first(&CPUS);
    let placement = Placement::Follow(Follow { incoming_cpu, ..rules() });
    let mut place = Place::on(placement, &mailboxes, &CPUS).swap_remove(0);
    let (socket, _peer) = UnixStream::pair().expect("a pair of sockets");
    let mut choose = || {
        let chosen = place.choose(&look(64), true, Some(socket.as_fd()))?;
        mailboxes.iter().position(|mailbox| Arc::ptr_eq(mailbox, &chosen))
    };
    assert_eq!(choose(), None, "those that neither sleep nor measure are stuck");
    for mailbox in &mailboxes {
        mailbox.take(&mut Delivery::default());
    }
    choose()
}

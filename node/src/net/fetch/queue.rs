//! Who is asked for which piece: shared by the lanes to all peers of one fetch.
//!
//! A lane takes the next piece that waits. When none waits any more, an idle lane asks for what another lane has been asked
//! for longest, so that one slow peer does not hold up the end; whichever answer comes first counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_blobs::Piece;
use tokio::sync::Notify;

/// Lanes that are asked for one piece at once.
const ASKED_AT_ONCE_MAX: usize = 2;

/// The place of a piece in the list of those that are wanted.
pub(super) type Turn = usize;
/// The place of a peer in the list of those that are asked.
pub(super) type Seat = usize;

/// What a lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It asks for this piece.
    Ask(Turn, Piece),
    /// It waits: what is left is asked of others, who may fail.
    Wait,
    /// It ends: nothing is left, or nothing that its peer gives.
    End,
}

/// The pieces of one fetch.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something came, or was given back.
    changed: Notify,
    /// Everything came.
    finished: Notify,
}

#[derive(Debug)]
struct State {
    pieces: Vec<Piece>,
    waiting: VecDeque<Turn>,
    /// By whom it is fetched, in the order in which they were asked.
    asked: BTreeMap<Turn, Vec<Seat>>,
    refused: BTreeSet<(Turn, Seat)>,
    left: usize,
}

impl Queue {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        let (left, waiting) = (pieces.len(), (0..pieces.len()).collect());
        let (asked, refused) = (BTreeMap::new(), BTreeSet::new());
        let state = State { pieces, waiting, asked, refused, left };
        Self { state: Mutex::new(state), changed: Notify::new(), finished: Notify::new() }
    }

    /// What a lane does next.
    pub(super) fn next(&self, seat: Seat) -> Next {
        let mut state = self.state();
        let state = &mut *state;
        let refused = &state.refused;
        let gives = |turn: &Turn| !refused.contains(&(*turn, seat));
        if let Some(at) = state.waiting.iter().position(gives) {
            let turn = state.waiting.remove(at).unwrap_or_default();
            state.asked.entry(turn).or_default().push(seat);
            return Next::Ask(turn, state.pieces[turn]);
        }
        let late = |(turn, seats): &(&Turn, &mut Vec<Seat>)| {
            gives(turn) && !seats.contains(&seat) && seats.len() < ASKED_AT_ONCE_MAX
        };
        if let Some((turn, seats)) = state.asked.iter_mut().find(late) {
            seats.push(seat);
            return Next::Ask(*turn, state.pieces[*turn]);
        }
        match state.asked.values().any(|seats| !seats.contains(&seat)) {
            true => Next::Wait,
            false => Next::End,
        }
    }

    /// Whether a piece has come already, from another peer.
    pub(super) fn is_done(&self, turn: Turn) -> bool {
        !self.state().asked.contains_key(&turn)
    }

    /// A piece has come and is kept.
    pub(super) fn done(&self, turn: Turn) {
        let mut state = self.state();
        if state.asked.remove(&turn).is_some() {
            state.left -= 1;
            self.changed.notify_waiters();
            if state.left == 0 {
                self.finished.notify_one();
            }
        }
    }

    /// A piece does not come from this peer now; with less of it to ask for where some of it came.
    pub(super) fn give_back(&self, turn: Turn, seat: Seat, rest: Piece) {
        let mut state = self.state();
        let Some(seats) = state.asked.get_mut(&turn) else { return };
        seats.retain(|other| *other != seat);
        if seats.is_empty() {
            state.asked.remove(&turn);
            state.pieces[turn] = rest;
            state.waiting.push_front(turn);
        }
        self.changed.notify_waiters();
    }

    /// A piece never comes from this peer.
    pub(super) fn refuse(&self, turn: Turn, seat: Seat, piece: Piece) {
        self.state().refused.insert((turn, seat));
        self.give_back(turn, seat, piece);
    }

    /// How many have not come.
    pub(super) fn left(&self) -> usize {
        self.state().left
    }

    /// Returns when something came or was given back after this was called.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Returns when everything has come.
    pub(super) async fn finished(&self) {
        if self.left() > 0 {
            self.finished.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_blobs::Chunk;

    fn pieces(count: u8) -> Vec<Piece> {
        (0..count).map(|name| Piece::whole(Chunk { hash: [name; 32], bytes: 100 })).collect()
    }

    fn asked(next: Next) -> Option<Turn> {
        match next {
            Next::Ask(turn, _) => Some(turn),
            _ => None,
        }
    }

    #[test]
    fn each_piece_is_asked_once_until_none_waits_and_then_the_oldest_again() {
        let queue = Queue::new(pieces(3));
        assert_eq!(
            (asked(queue.next(0)), asked(queue.next(0)), asked(queue.next(1))),
            (Some(0), Some(1), Some(2))
        );
        assert_eq!(asked(queue.next(1)), Some(0), "the end game");
        queue.done(0);
        assert!(queue.is_done(0) && !queue.is_done(1));
        queue.done(0);
        assert_eq!(queue.left(), 2, "a piece counts once");
        assert_eq!(asked(queue.next(1)), Some(1));
        assert_eq!(queue.next(2), Next::Ask(2, pieces(3)[2]));
        assert_eq!(queue.next(2), Next::Wait, "two are asked for each");
    }

    #[test]
    fn what_a_peer_does_not_give_goes_to_others_and_never_back() {
        let queue = Queue::new(pieces(1));
        assert_eq!(asked(queue.next(0)), Some(0));
        queue.refuse(0, 0, pieces(1)[0]);
        assert_eq!(queue.next(0), Next::End);
        assert_eq!(asked(queue.next(1)), Some(0));
        assert_eq!(queue.next(0), Next::Wait, "the other one may fail");
        let rest = Piece { from: 50, ..pieces(1)[0] };
        queue.give_back(0, 1, rest);
        assert_eq!(queue.next(1), Next::Ask(0, rest), "with what is left of it");
    }
}

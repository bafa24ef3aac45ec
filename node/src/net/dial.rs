//! Whom to call, and when to try again.
//!
//! A call before the other side listens fails, or hangs; so a call that has not come through after a
//! while counts as failed, and what failed is tried again after a pause that doubles. A part of each
//! pause is chance, or a team whose switch comes back would call each other in step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Address;

/// The pause after the first failure.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A call that hangs for this long is given up.
const CALL_MAX: Duration = Duration::from_secs(15);
/// Addresses that are called at all; more are forgotten peers.
const ADDRESSES_MAX: usize = 512;

/// What is known of one address.
#[derive(Debug, Clone, Copy)]
struct Call {
    failures: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Instant),
    Calling(Instant),
    Connected,
}

/// The addresses to be called, each with its next moment. Time and chance are arguments.
#[derive(Debug, Default)]
pub(crate) struct DialBook {
    calls: BTreeMap<Address, Call>,
}

impl DialBook {
    /// Wants a connection to `address`, now; a pause that is running is cut short.
    pub(crate) fn want(&mut self, address: Address, now: Instant) {
        if self.calls.len() >= ADDRESSES_MAX && !self.calls.contains_key(&address) {
            return;
        }
        let call = self.calls.entry(address).or_insert(Call { failures: 0, state: State::Waiting(now) });
        if matches!(call.state, State::Waiting(_)) {
            *call = Call { failures: 0, state: State::Waiting(now) };
        }
    }

    /// Wants nothing of these any more.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Address) -> bool) {
        self.calls.retain(|address, _| !unwanted(address));
    }

    /// The addresses to call now; they count as being called.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Address> {
        let mut due = Vec::new();
        for (address, call) in &mut self.calls {
            if call.moment().is_some_and(|moment| moment <= now) {
                if matches!(call.state, State::Calling(_)) {
                    call.failures += 1;
                }
                call.state = State::Calling(now + CALL_MAX);
                due.push(address.clone());
            }
        }
        due
    }

    /// When `due` has something to say again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.calls.values().filter_map(Call::moment).min()
    }

    /// A connection to these came about.
    pub(crate) fn connected(&mut self, reached: impl Fn(&Address) -> bool) {
        for (_, call) in self.calls.iter_mut().filter(|(address, _)| reached(address)) {
            *call = Call { failures: 0, state: State::Connected };
        }
    }

    /// A call failed, or a connection ended; `chance` spreads the next try.
    pub(crate) fn lost(&mut self, lost: impl Fn(&Address) -> bool, now: Instant, chance: u32) {
        for (_, call) in self.calls.iter_mut().filter(|(address, _)| lost(address)) {
            call.state = State::Waiting(now + pause(call.failures, chance));
            call.failures = call.failures.saturating_add(1);
        }
    }
}

impl Call {
    fn moment(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(moment) | State::Calling(moment) => Some(moment),
            State::Connected => None,
        }
    }
}

/// Half of a doubling pause, and up to as much again by chance.
fn pause(failures: u32, chance: u32) -> Duration {
    let whole = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses: Vec<_> = (0..12).map(|failures| pause(failures, u32::MAX)).collect();
        assert_eq!(pauses[0], PAUSE_MIN);
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(pause(u32::MAX, u32::MAX), PAUSE_MAX);
        assert!(pause(3, 0) >= pauses[3] / 2);
    }

    #[test]
    fn what_failed_is_called_again_and_what_is_connected_is_not() {
        let start = Instant::now();
        let mut book = DialBook::default();
        book.want(address(1), start);
        book.want(address(2), start);
        assert_eq!(book.due(start).len(), 2);
        assert!(book.due(start).is_empty());
        book.connected(|reached| *reached == address(1));
        book.lost(|lost| *lost == address(2), start, 0);
        assert_eq!(book.due(start + PAUSE_MAX), [address(2)]);
        book.lost(|lost| *lost == address(1), start, 0);
        assert_eq!(book.due(start + PAUSE_MAX), [address(1)]);
    }

    #[test]
    fn a_call_that_hangs_is_given_up() {
        let start = Instant::now();
        let mut book = DialBook::default();
        book.want(address(1), start);
        book.due(start);
        assert_eq!(book.next(), Some(start + CALL_MAX));
        assert_eq!(book.due(start + CALL_MAX), [address(1)]);
    }
}

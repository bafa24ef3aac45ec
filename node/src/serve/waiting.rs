//! Questions that wait for a branch to move, so that who watches it need not ask over and over.

use std::time::{Duration, Instant};

use crate::control::Call;
use crate::owner::Owner;
use crate::verbs::{Answer, Place, Request, Version};
use crate::worktree::link::digits;

/// How many wait at once; each has a thread and a seat of the control socket. Others are answered at once.
const CALLS_MAX: usize = 32;
/// How long one waits at most; by then whoever asked may be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The questions that wait.
#[derive(Default)]
pub(crate) struct Waiting {
    calls: Vec<Kept>,
}

/// One of them, and what it waits for.
struct Kept {
    call: Call<Request, Answer>,
    place: Place,
    branch: String,
    shown: Vec<String>,
    until: Instant,
}

impl Waiting {
    /// Keeps a call that asks for what has not happened yet; gives any other back, to be answered now.
    pub(crate) fn keep(
        &mut self,
        owner: &mut Owner,
        call: Call<Request, Answer>,
    ) -> Option<Call<Request, Answer>> {
        let found = match &call.request {
            Request::Root(args) if args.unlike.is_some() && self.calls.len() < CALLS_MAX => {
                // What cannot be found is for the answer to tell.
                let version = Version::find(owner, &args.here, args.uri.as_deref()).ok();
                version.and_then(|version| Some((version.place, version.branch?, args.unlike.clone()?)))
            }
            _ => None,
        };
        let Some((place, branch, shown)) = found else { return Some(call) };
        let kept = Kept { call, place, branch, shown, until: Instant::now() + PATIENCE };
        if kept.is_due(owner) {
            return Some(kept.call);
        }
        self.calls.push(kept);
        None
    }

    /// Takes out the calls whose branch has moved, or that have waited for long enough.
    pub(crate) fn due(&mut self, owner: &Owner) -> Vec<Call<Request, Answer>> {
        self.calls.extract_if(.., |kept| kept.is_due(owner)).map(|kept| kept.call).collect()
    }
}

impl Kept {
    fn is_due(&self, owner: &Owner) -> bool {
        let shown = self.place.branch(owner, &self.branch);
        shown.map_or(true, |shown| digits(&shown) != self.shown) || Instant::now() >= self.until
    }
}

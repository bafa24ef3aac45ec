//! `serve`: the process that owns a home, answers commands, and talks to peers until it is told to stop.
//!
//! It prints nothing: everything that happens is handed to the caller as an [`Event`].

mod bringer;
mod chores;
mod keeper;
#[cfg(test)]
mod loopback;
mod scrubber;
mod teller;
mod waiting;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::control::{Call, Client, Listener, Refusal};
use crate::error::{Kind, NodeError};
use crate::home::Home;
use crate::net::{Address, Session, Waited, peer_name};
use crate::owner::Owner;
use crate::verbs::land::{self, Errand};
use crate::verbs::{Answer, Request};
use bringer::Bringer;
use chores::Chores;
use teller::Teller;
use waiting::Waiting;

/// Commands that wait for their turn.
const CALLS_MAX: usize = 64;
/// Commands that are answered together.
const TOGETHER_MAX: usize = 64;
/// After this long without a word from anybody there is time to look at what was merged.
const IDLE: Duration = Duration::from_millis(200);

/// How long a command that works in the home is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `serve` is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where to listen, as multiaddresses: `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Peers to call beside those that are remembered, as multiaddresses.
    pub peers: Vec<String>,
    /// How many bytes of artifacts may go out a second, over all peers; any number for zero.
    #[serde(default)]
    pub upload_bytes_per_s: u64,
}

/// One thing that happened; as JSON, one line of `serve --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Everything is open; commands are answered and peers are let in.
    Ready {
        /// This node's name on the network.
        peer: String,
        /// Where it listens; each ends in `/p2p/<peer>`.
        listen: Vec<String>,
        /// Where it answers over HTTP, when it does.
        http: Option<String>,
    },
    /// A peer came or went.
    Peer {
        /// Its name on the network.
        peer: String,
        /// Its device key.
        key: String,
        /// Whether it is there now.
        connected: bool,
    },
    /// An address could not be reached; it is tried again.
    Unreachable {
        /// The address.
        address: String,
        /// What was found.
        reason: String,
    },
    /// A repo is new here.
    Joined {
        /// The repo.
        repo: String,
    },
    /// Waypoints of another key are stored.
    Received {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed that grew.
        feed: String,
        /// How many waypoints of it are held now.
        waypoints: u64,
    },
    /// A branch shows another version.
    Merged {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The branch.
        branch: String,
        /// What it shows now.
        frontier: Vec<String>,
    },
    /// Concurrent edits met.
    Overlap {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The branch that shows them.
        branch: String,
        /// How many there are now.
        overlaps: u64,
    },
    /// A mark is new here.
    Marked {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The mark's name.
        mark: String,
    },
    /// Something from a peer was refused.
    Rejected {
        /// The repo, where the peer said which.
        repo: Option<String>,
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Waypoints are stored, but show on no branch.
    Held {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed.
        feed: String,
        /// The waypoints.
        waypoints: Vec<String>,
    },
    /// A key signed two histories.
    Forked {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed.
        feed: String,
    },
    /// Old waypoints faded.
    Faded {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// How many.
        waypoints: u64,
        /// What log and stones came to before, in bytes.
        bytes_before: u64,
        /// What they come to now.
        bytes_after: u64,
    },
    /// Old waypoints could fade, and nobody has said yet that they may: `cairn fade --auto` does.
    FadeDue {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// How many.
        waypoints: u64,
        /// How many bytes would go.
        bytes: u64,
    },
    /// Rights changed.
    Granted {
        /// The repo.
        repo: String,
    },
    /// This node and a peer hold the same.
    Synced {
        /// The repo.
        repo: String,
        /// The peer.
        peer: String,
    },
    /// This node and a peer could not be brought together; it is tried again.
    SyncFailed {
        /// The repo.
        repo: String,
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Large contents came by themselves, as the policy of the project has it.
    Fetched {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The artifact.
        artifact: String,
        /// How many bytes moved.
        bytes: u64,
    },
    /// Large contents should have come by themselves, and did not; it is tried again.
    Unfetched {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The artifact.
        artifact: String,
        /// A stable word for why.
        code: String,
        /// Why.
        reason: String,
    },
    /// Damaged waypoints were fetched again from a peer.
    Repaired {
        /// The repo.
        repo: String,
        /// The feed.
        feed: String,
        /// How many.
        waypoints: u64,
    },
    /// It was told to stop, and everything is closed.
    Stopped {},
}

/// Owns the home, answers commands and serves peers until SIGINT or SIGTERM.
///
/// Blocks the calling thread, which becomes the one that touches the store. Listens on the control
/// socket of the home. `events` is called on this thread.
pub fn run(home: &Home, options: &Options, events: &mut dyn FnMut(Event)) -> Result<(), NodeError> {
    let places = Places { listen: addresses(&options.listen)?, peers: addresses(&options.peers)? };
    let mut owner = open(home)?;
    let mut session = Session::new(home);
    session.limit_lending(options.upload_bytes_per_s);
    let served = serve(home, &places, &mut owner, &mut session, events);
    let ended = session.close();
    // Last, so that what the verbs and peers brought lies in stones.
    let closed = owner.close();
    events(Event::Stopped {});
    served.and(ended).and(closed)
}

/// Opens the home. A command that works there just now is waited for; a `serve` that runs answers, and is not.
fn open(home: &Home) -> Result<Owner, NodeError> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match Owner::open(home.clone()) {
            Err(NodeError::Owned { .. })
                if Instant::now() < patience && matches!(Client::connect(&home.socket_path()), Ok(None)) =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

/// Where to listen, and whom to call.
struct Places {
    listen: Vec<Address>,
    peers: Vec<Address>,
}

/// What a serving node waits for beside its peers.
#[expect(clippy::large_enum_variant, reason = "nearly all are calls, and they are handled one at a time")]
enum Next {
    Call(Call<Request, Answer>),
    Stop,
}

fn serve(
    home: &Home,
    places: &Places,
    owner: &mut Owner,
    session: &mut Session,
    events: &mut dyn FnMut(Event),
) -> Result<(), NodeError> {
    session.listen(owner, &places.listen)?;
    owner.keep_lookouts();
    let mut stop = session.stop_on_signals()?;
    let (sender, mut calls) = mpsc::channel(CALLS_MAX);
    let socket = home.socket_path();
    let _listener = Listener::start(&socket, move |call| sender.blocking_send(call).is_ok())
        .map_err(|error| NodeError::io("listen on", &socket, error))?;
    events(ready(owner, session)?);
    session.call([session.remembered().addresses(None), places.peers.clone()].concat())?;
    let (mut teller, mut waiting) = (Teller::default(), Waiting::default());
    let (mut chores, mut bringer) = (Chores::new(owner), Bringer::default());
    loop {
        teller.tell(owner, session, &mut bringer, events);
        let next = async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => Next::Stop,
                Some(call) = calls.recv() => Next::Call(call),
            }
        };
        let waited = session.wait_with(owner, IDLE, next);
        let is_idle = matches!(waited, Waited::Nothing);
        match waited {
            Waited::Other(Next::Stop) => return Ok(()),
            Waited::Other(Next::Call(call)) => {
                chores.wait();
                // Whoever came meanwhile shares the disk's time with the first.
                let others = std::iter::from_fn(|| calls.try_recv().ok()).take(TOGETHER_MAX - 1);
                let now = std::iter::once(call).chain(others).filter_map(|call| waiting.keep(owner, call));
                let now = now.collect();
                answer(owner, session, now)?;
            }
            Waited::Report(report) => {
                chores.wait();
                go_on(session.take_in(owner, Some(*report)))?;
            }
            Waited::Nothing => {
                go_on(session.take_in(owner, None))?;
                teller.look(owner, events);
                chores.look(owner, events);
            }
        }
        bringer.look(owner, session, is_idle, events);
        let due = waiting.due(owner);
        if !due.is_empty() {
            answer(owner, session, due)?;
        }
        if is_idle {
            go_on(owner.cut())?;
        }
    }
}

fn ready(owner: &Owner, session: &Session) -> Result<Event, NodeError> {
    let peer = peer_name(owner.service().me())?;
    let listen = session.listening().iter().map(ToString::to_string).collect();
    Ok(Event::Ready { peer, listen, http: None })
}

/// Runs verbs for commands: what lands in worktrees together, all else one by one. While one waits for a peer, the session
/// serves everybody else.
fn answer(
    owner: &mut Owner,
    session: &mut Session,
    calls: Vec<Call<Request, Answer>>,
) -> Result<(), NodeError> {
    let (landing, others): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|call| Errand::of(&call.request).is_some());
    let errands: Vec<Errand<'_>> = landing.iter().filter_map(|call| Errand::of(&call.request)).collect();
    let answers = land::together(owner, session, &errands);
    for (call, answer) in landing.into_iter().zip(answers) {
        call.reply.send(answer.map_err(|error| Refusal::from(&error)));
    }
    go_on(session.settle(owner))?;
    for Call { request, reply } in others {
        session.serves(Some(reply.gone()));
        session.tells(Some(reply.teller()));
        let answer = request.run(owner, session);
        session.serves(None);
        session.tells(None);
        reply.send(answer.map_err(|error| Refusal::from(&error)));
        go_on(session.settle(owner))?;
    }
    Ok(())
}

/// One failed write or one bad peer must not end the process: the store reopens what it must, and the
/// peers ask again. Only a mistake of our own ends it.
fn go_on(outcome: Result<(), NodeError>) -> Result<(), NodeError> {
    match outcome {
        Err(error) if error.kind() == Kind::Bug => Err(error),
        Err(error) => {
            tracing::error!(%error, "something failed; going on");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, NodeError> {
    texts.iter().map(|text| text.parse()).collect()
}

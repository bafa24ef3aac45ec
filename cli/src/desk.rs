//! Where a command stands: its folder, its home, and the way to whoever owns that home.

use crate::bar::Bar;
use crate::error::{DAMAGED, DONE, Failure, LOOK, NOT_FOUND};
use crate::output;
use cairn_node::control::{Client, call};
use cairn_node::error::NodeError;
use cairn_node::home::Home;
use cairn_node::net::Session;
use cairn_node::owner::Owner;
use cairn_node::progress::{Load, Told};
use cairn_node::verbs::{Answer, Here, Request, root};
use cairn_node::worktree::link::Link;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a command waits for another command to finish with the home.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a command stands.
pub(crate) struct Desk {
    /// Whether answers are printed as JSON.
    pub(crate) json: bool,
    dir: PathBuf,
    home: Option<PathBuf>,
}

impl Desk {
    /// A desk in `dir`, or in the folder where the command was started.
    pub(crate) fn new(json: bool, dir: Option<&Path>, home: Option<&Path>) -> Result<Self, Failure> {
        let start = std::env::current_dir()?;
        let dir = dir.map_or_else(|| start.clone(), |dir| start.join(dir));
        if !dir.is_dir() {
            let message = format!("there is no folder {}", dir.display());
            return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, "check the path after -C"));
        }
        Ok(Self { json, home: home.map(|home| start.join(home)), dir: dir.canonicalize()? })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path as the user wrote it, made absolute.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// Where verbs start from.
    pub(crate) fn here(&self) -> Here {
        self.here_in(&self.dir)
    }

    /// Where a verb starts that makes or means another folder.
    pub(crate) fn here_in(&self, dir: &Path) -> Here {
        let key = std::env::var_os("CAIRN_KEY").filter(|key| !key.is_empty());
        Here { dir: self.path(dir), key: key.map(|key| self.path(Path::new(&key))) }
    }

    /// The home: named by the command line or the environment, else by the worktree, else the platform's.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        if let Some(home) = &self.home {
            return Ok(Home::open(home)?);
        }
        match linked(&self.dir)? {
            Some((_, link)) => Ok(Home::open(link.home)?),
            None => Ok(Home::from_environment()?),
        }
    }

    /// The folder of the worktree that the command stands in.
    pub(crate) fn worktree(&self) -> Result<PathBuf, Failure> {
        let nowhere = || NodeError::NoWorktree(self.dir.clone()).into();
        linked(&self.dir)?.map(|(folder, _)| folder).ok_or_else(nowhere)
    }

    /// Prints an answer, as JSON or in words, and gives the exit code.
    pub(crate) fn tell(&self, answer: &Answer, words: impl FnOnce() -> String) -> Result<u8, Failure> {
        if self.json {
            output::line(&answer.json().map_err(|_| Failure::unasked())?);
        } else {
            output::text(&words());
        }
        Ok(match () {
            () if answer.found_damage() => DAMAGED,
            () if answer.asks_attention() => LOOK,
            () => DONE,
        })
    }

    /// Whether `serve` runs in the home, or another command works there just now.
    pub(crate) fn is_served(&self) -> Result<bool, Failure> {
        Ok(Client::connect(&self.home()?.socket_path())?.is_some())
    }

    /// Prints what was done without the owner of the home.
    pub(crate) fn print(&self, done: &impl Serialize, words: impl FnOnce() -> String) -> Result<u8, Failure> {
        if self.json {
            output::line(&serde_json::to_string(done).map_err(|_| Failure::unasked())?);
        } else {
            output::text(&words());
        }
        Ok(DONE)
    }

    /// Asks the owner of the home, or becomes it for as long as the answer takes.
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let home = self.home()?;
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(mut client) = Client::connect(&home.socket_path())? {
                let mut bar = Bar::new();
                return Ok(client.ask_telling(request, &mut |told| match told {
                    Told::Progress(progress) => bar.tell(&progress),
                    Told::Load(load) => self.announce(&load),
                })?);
            }
            match Owner::open(home.clone()) {
                Ok(owner) => return self.alone(&home, owner, request),
                Err(NodeError::Owned { .. }) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(10))
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Answers in this process, which owns the home meanwhile.
    fn alone(&self, home: &Home, mut owner: Owner, request: &Request) -> Result<Answer, Failure> {
        let mut session = Session::new(home);
        if !self.json {
            session.tells(Some(Box::new(announce)));
        }
        let answer = Bar::beside(|| request.run(&mut owner, &mut session));
        let closed = session.close().and(owner.close());
        let answer = answer?;
        closed?;
        Ok(answer)
    }

    /// Says what is going to be fetched, before it begins; a program reads it in the answer.
    fn announce(&self, load: &Load) {
        if !self.json {
            announce(load);
        }
    }
}

fn announce(load: &Load) {
    let (files, bytes, room) =
        (output::count(load.files, "large file"), output::size(load.bytes), output::size(load.room_bytes));
    output::note(&format!("fetching {files}, {bytes}; {room} are free on the disk"));
}

/// Waits until a running `serve` shows another version than `asked` knows, and notes it there. Where none runs, or it does not
/// keep who asks waiting, a pause goes by.
pub(crate) fn wait_for_move(socket: &Path, asked: &mut root::Args, pause: Duration) {
    let begun = Instant::now();
    match call(socket, &Request::Root(asked.clone())) {
        Ok(Answer::Root(root)) if asked.unlike.as_ref() != Some(&root.frontier) => {
            asked.unlike = Some(root.frontier);
        }
        _ => std::thread::sleep(pause.saturating_sub(begun.elapsed())),
    }
}

/// The worktree around `dir`, and what ties it to its home.
fn linked(dir: &Path) -> Result<Option<(PathBuf, Link)>, NodeError> {
    for folder in dir.ancestors() {
        if let Some(link) = Link::load(folder)? {
            return Ok(Some((folder.to_path_buf(), link)));
        }
    }
    Ok(None)
}

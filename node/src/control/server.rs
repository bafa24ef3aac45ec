//! The answering side: one thread accepts, one thread a conversation, all of them bounded.

use super::frame::{self, FrameError};
use super::{CONTROL_LEVEL, CONVERSATIONS_MAX, HEARTBEAT, IDLE_MAX, Question, Refusal, Response, short_name};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::progress::{self, Load, Teller};

/// How often is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(500);

/// A request on its way to the owner, with the way back.
pub struct Call<Q, A> {
    /// What is asked.
    pub request: Q,
    /// Where the answer goes.
    pub reply: Reply<A>,
}

/// The way back to the client. Dropped without a word, it tells the client that its request is gone.
pub struct Reply<A> {
    words: Sender<Word<A>>,
    gone: Arc<AtomicBool>,
}

/// What the owner has to say to a client.
enum Word<A> {
    /// What is going to be fetched.
    Load(Load),
    /// The last one.
    End(Result<A, Refusal>),
}

impl<A> Reply<A> {
    /// Answers; a client that went away meanwhile is no concern of the owner.
    pub fn send(self, answer: Result<A, Refusal>) {
        let _ = self.words.send(Word::End(answer));
    }

    /// A way to tell the client meanwhile what is going to be fetched.
    pub fn teller(&self) -> Teller
    where
        A: Send + 'static,
    {
        let words = self.words.clone();
        Box::new(move |load| drop(words.send(Word::Load(*load))))
    }

    /// Turns true once the client has gone away.
    pub fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gone)
    }
}

/// The open socket; dropping it closes and removes it.
pub struct Listener {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens at `path` and hands each request to `deliver`, which says whether it took it.
    ///
    /// The caller holds the lock of the home, so a socket file found here is a dead owner's and is replaced.
    pub fn start<Q, A, D>(path: &Path, deliver: D) -> io::Result<Self>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
        D: Fn(Call<Q, A>) -> bool + Send + Sync + 'static,
    {
        let socket = bind(path)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopping);
        let thread = thread::Builder::new()
            .name("cairn-control".into())
            .spawn(move || accept_all(&socket, &flag, &Arc::new(deliver)))?;
        Ok(Self { path: path.to_path_buf(), stopping, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // `accept` has no time-out: a last connection wakes it, and it sees the flag.
        let woken = short_name(&self.path).and_then(|(name, _folder)| UnixStream::connect(name));
        if woken.is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds under another name, narrows the rights, then renames: nobody ever sees an open socket.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension("sock.new");
    let _ = fs::remove_file(&fresh);
    let (name, _folder) = short_name(&fresh)?;
    let socket = UnixListener::bind(&name)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(socket)
}

fn accept_all<Q, A, D>(socket: &UnixListener, stopping: &AtomicBool, deliver: &Arc<D>)
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    D: Fn(Call<Q, A>) -> bool + Send + Sync + 'static,
{
    let open = Arc::new(AtomicUsize::new(0));
    for stream in socket.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        match stream {
            Ok(stream) => begin(stream, &open, Arc::clone(deliver)),
            // Out of file handles, or the like: breathe, and try again.
            Err(_) => thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
}

/// Starts a conversation, if there is room for one more.
fn begin<Q, A, D>(mut stream: UnixStream, open: &Arc<AtomicUsize>, deliver: Arc<D>)
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    D: Fn(Call<Q, A>) -> bool + Send + Sync + 'static,
{
    let timed = stream.set_read_timeout(Some(IDLE_MAX)).and(stream.set_write_timeout(Some(IDLE_MAX)));
    if timed.is_err() {
        return;
    }
    let seat = Seat::take(open);
    if open.load(Ordering::SeqCst) > CONVERSATIONS_MAX {
        refuse(
            &mut stream,
            "E_BUSY",
            format!("{CONVERSATIONS_MAX} commands are being answered already"),
            "try again",
        );
        return;
    }
    let spawned = thread::Builder::new().name("cairn-control-client".into()).spawn(move || {
        let _seat = seat;
        converse(&mut stream, &*deliver);
    });
    drop(spawned);
}

/// One of the places at the table; given back however the conversation ends.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers requests until the client leaves, falls silent, or says something that is none.
fn converse<Q, A, D>(stream: &mut UnixStream, deliver: &D)
where
    Q: DeserializeOwned,
    A: Serialize,
    D: Fn(Call<Q, A>) -> bool,
{
    loop {
        let body = match frame::read(stream) {
            Ok(Some(body)) => body,
            Ok(None) | Err(FrameError::Socket(_)) => return,
            Err(error) => return refuse(stream, "E_FRAME", error.to_string(), HINT_GARBAGE),
        };
        let request = match understand(&body) {
            Ok(request) => request,
            Err(refusal) => return part(stream, refusal),
        };
        let (words, word) = mpsc::channel();
        let gone = Arc::new(AtomicBool::new(false));
        let reply = Reply { words, gone: Arc::clone(&gone) };
        if !deliver(Call { request, reply }) {
            return refuse(stream, "E_GONE", "the owner of this home is closing".into(), HINT_GONE);
        }
        if wait(stream, &word).is_err() {
            gone.store(true, Ordering::SeqCst);
            return;
        }
    }
}

const HINT_GARBAGE: &str = "this socket takes frames of cairn's own commands only";
const HINT_GONE: &str = "run the command again";

fn understand<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Refusal> {
    /// The level is read alone first: what a request looks like may change with it.
    #[derive(serde::Deserialize)]
    struct Level {
        level: u32,
    }
    let garbage =
        |error: serde_json::Error| Refusal::new("E_GARBAGE", format!("not a request: {error}"), HINT_GARBAGE);
    let Level { level } = serde_json::from_slice(body).map_err(garbage)?;
    if level != CONTROL_LEVEL {
        let message = format!("this owner speaks level {CONTROL_LEVEL}, the command level {level}");
        return Err(Refusal::new("E_LEVEL", message, "restart cairn serve with the same version of cairn"));
    }
    let question: Question<Q> = serde_json::from_slice(body).map_err(garbage)?;
    Ok(question.request)
}

/// Waits for the owner and passes its answer on, with a sign of life every now and then: how far something long has come,
/// where something goes on.
fn wait<A: Serialize>(stream: &mut UnixStream, words: &Receiver<Word<A>>) -> Result<(), FrameError> {
    let mut silent = Duration::ZERO;
    loop {
        match words.recv_timeout(LOOK) {
            Ok(Word::Load(load)) => send::<()>(stream, &Response::Load(load))?,
            Ok(Word::End(Ok(answer))) => return send(stream, &Response::Answer(answer)),
            Ok(Word::End(Err(refusal))) => return send::<()>(stream, &Response::Error(refusal)),
            Err(RecvTimeoutError::Timeout) => match progress::now() {
                Some(progress) => send::<()>(stream, &Response::Progress(progress))?,
                None => silent = still(stream, silent + LOOK)?,
            },
            Err(RecvTimeoutError::Disconnected) => {
                let refusal = Refusal::new("E_GONE", "the owner of this home dropped the request", HINT_GONE);
                return send::<()>(stream, &Response::Error(refusal));
            }
        }
    }
}

/// Breaks a silence that has become long.
fn still(stream: &mut UnixStream, silent: Duration) -> Result<Duration, FrameError> {
    if silent < HEARTBEAT {
        return Ok(silent);
    }
    frame::write(stream, &[])?;
    Ok(Duration::ZERO)
}

fn send<A: Serialize>(stream: &mut UnixStream, response: &Response<A>) -> Result<(), FrameError> {
    let body = serde_json::to_vec(response).map_err(|error| FrameError::Socket(error.into()))?;
    match frame::write(stream, &body) {
        Err(FrameError::TooLong(bytes)) => {
            let message = format!("the answer is {bytes} bytes long");
            let refusal = Refusal::new("E_LONG", message, "ask for less, for example one path");
            let short: Response<()> = Response::Error(refusal);
            frame::write(stream, &serde_json::to_vec(&short).unwrap_or_default())
        }
        done => done,
    }
}

fn refuse(stream: &mut UnixStream, code: &str, message: String, hint: &str) {
    part(stream, Refusal::new(code, message, hint));
}

/// Says why, and ends the conversation.
fn part(stream: &mut UnixStream, refusal: Refusal) {
    let _ = send::<()>(stream, &Response::Error(refusal));
    // Bytes left unread would turn the close into a reset, and the answer would be lost on the way.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(200)));
    let _ = io::copy(&mut io::Read::take(stream, 1 << 20), &mut io::sink());
}

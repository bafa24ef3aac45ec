//! Local control: how a command reaches the one process that owns a home.
//!
//! A running `serve` listens on `<home>/owner.sock` (mode 0600). A client sends one request a frame
//! and gets one reply a frame: four bytes of length (little endian), then that many bytes of JSON.
//! An empty frame from the server says "still at it", so that a client can tell a long answer from a
//! dead owner; others say how far something long has come, and what is going to be fetched. Plain threads and blocking sockets: a client verb starts no runtime.
//!
//! The channel is generic over what it carries; it knows frames, limits and time-outs, not verbs.

mod client;
mod frame;
mod server;

pub use client::{Client, call};
pub use frame::{FRAME_BYTES_MAX, FrameError};
pub use server::{Call, Listener, Reply};

use crate::error::NodeError;
use crate::progress::{Load, Progress};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the socket inside a home.
pub const SOCKET_NAME: &str = "owner.sock";

/// Level of the conversation; a client of another level is refused by name instead of being misread.
pub const CONTROL_LEVEL: u32 = 3;

/// A client that says nothing for this long is let go.
pub const IDLE_MAX: Duration = Duration::from_secs(10);

/// The server breaks its silence this often while an answer is being made.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// A client gives up on an owner that has been silent for this long.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Conversations held at once; each costs a thread.
pub const CONVERSATIONS_MAX: usize = 256;

/// The exit code of a command that was refused.
const REFUSED: u8 = 4;

/// Why a request was not done: what was tried and found, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A stable word that programs may match on.
    pub code: String,
    /// What was tried, and what was found.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// The exit code of a command that ends with it.
    pub exit: u8,
    /// What programs may want to know beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl Refusal {
    /// A refusal by the channel itself, with these words.
    pub fn new(code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            hint: hint.to_owned(),
            exit: REFUSED,
            details: None,
        }
    }
}

impl From<&NodeError> for Refusal {
    fn from(error: &NodeError) -> Self {
        let (exit, details) = (error.exit_code(), error.details());
        Self { exit, details, ..Self::new(error.code(), error.to_string(), error.hint()) }
    }
}

/// Bytes that the path of a socket may have; the system's own limit is 107.
const PATH_BYTES_MAX: usize = 100;

/// A name for `path` that is short enough for a socket. A long one goes through a handle of its
/// folder, which must stay open meanwhile.
fn short_name(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok((path.to_owned(), None));
    };
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((path.to_owned(), None));
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((short, Some(folder)))
}

/// What a client sends.
#[derive(Serialize, Deserialize)]
struct Question<Q> {
    level: u32,
    request: Q,
}

/// What the server sends back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Response<A> {
    Answer(A),
    Error(Refusal),
    Progress(Progress),
    Load(Load),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    /// An owner that answers a number with its double, and refuses zero.
    fn doubling(dir: &Path) -> (Listener, PathBuf) {
        let path = dir.join(SOCKET_NAME);
        let listener = Listener::start(&path, |call: Call<u32, u32>| {
            std::thread::spawn(move || {
                let Call { request, reply } = call;
                match request {
                    0 => reply.send(Err(Refusal::new("E_USAGE", "zero has no double", "send one"))),
                    n => reply.send(Ok(n * 2)),
                }
            });
            true
        })
        .unwrap();
        (listener, path)
    }

    #[test]
    fn a_question_is_answered_and_a_refusal_keeps_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let (_listener, path) = doubling(dir.path());
        assert_eq!(call::<_, u32>(&path, &21u32).unwrap(), 42);
        let refused = call::<_, u32>(&path, &0u32).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.hint.as_str()), ("E_USAGE", "send one"));
    }

    #[test]
    fn the_socket_is_for_its_owner_alone_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, path) = doubling(dir.path());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    fn answer_to(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut out = Vec::new();
        let _ = stream.read_to_end(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn garbage_gets_a_typed_error_and_others_are_still_served() {
        let dir = tempfile::tempdir().unwrap();
        let (_listener, path) = doubling(dir.path());
        let lies = [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0xff; 64],
            b"\x05\0\0\0nope!",
            b"\x02\0\0\0{}",
            b"\x40\0\0\0{",
        ];
        for bytes in lies {
            let answer = answer_to(&path, bytes);
            assert!(answer.contains("\"code\":\"E_"), "{bytes:?} was answered with {answer:?}");
        }
        assert_eq!(call::<_, u32>(&path, &4u32).unwrap(), 8);
    }

    #[test]
    fn another_level_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (_listener, path) = doubling(dir.path());
        let body = br#"{"level":9,"request":1}"#;
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(body);
        assert!(answer_to(&path, &bytes).contains("E_LEVEL"));
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (_listener, path) = doubling(dir.path());
        assert_eq!(call::<_, u32>(&path, &1u32).unwrap(), 2);
    }

    #[test]
    fn a_home_may_lie_deep() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(90)).join("e".repeat(90));
        std::fs::create_dir_all(&deep).unwrap();
        let (listener, path) = doubling(&deep);
        assert_eq!(call::<_, u32>(&path, &3u32).unwrap(), 6);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn no_listener_is_told_from_a_refusal() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Client::connect(&dir.path().join(SOCKET_NAME)).unwrap().is_none());
    }

    #[test]
    fn a_dropped_reply_is_an_error_not_a_hang() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        let _listener = Listener::start(&path, |call: Call<u32, u32>| {
            drop(call);
            true
        })
        .unwrap();
        assert_eq!(call::<_, u32>(&path, &1u32).unwrap_err().code, "E_GONE");
    }
}

//! The asking side.

use super::frame::{self, FrameError};
use super::{CONTROL_LEVEL, Question, Refusal, Response, SILENCE_MAX, short_name};
use crate::progress::Told;
use serde::{Serialize, de::DeserializeOwned};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A conversation with the owner of a home.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to a socket; `None` when nobody listens there.
    pub fn connect(socket: &Path) -> Result<Option<Self>, Refusal> {
        let stream = match short_name(socket).and_then(|(name, _folder)| UnixStream::connect(name)) {
            Ok(stream) => stream,
            Err(error) if nobody(error.kind()) => return Ok(None),
            Err(error) => return Err(unreachable_owner(socket, &error)),
        };
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(|error| unreachable_owner(socket, &error))?;
        stream.set_write_timeout(Some(SILENCE_MAX)).map_err(|error| unreachable_owner(socket, &error))?;
        Ok(Some(Self { stream }))
    }

    /// Asks, and waits for the answer.
    pub fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, request: &Q) -> Result<A, Refusal> {
        self.ask_telling(request, &mut |_| ())
    }

    /// Asks, and waits for the answer; `tell` hears what is going to be fetched and how far something long has come.
    pub fn ask_telling<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        request: &Q,
        tell: &mut dyn FnMut(Told),
    ) -> Result<A, Refusal> {
        let question = Question { level: CONTROL_LEVEL, request };
        let body = serde_json::to_vec(&question).map_err(|error| misread(&error))?;
        frame::write(&mut self.stream, &body).map_err(|error| broken(&error))?;
        loop {
            let body = self.next_body()?;
            match serde_json::from_slice(&body).map_err(|error| misread(&error))? {
                Response::Answer(answer) => return Ok(answer),
                Response::Error(refusal) => return Err(refusal),
                Response::Progress(progress) => tell(Told::Progress(progress)),
                Response::Load(load) => tell(Told::Load(load)),
            }
        }
    }

    /// The next frame that says something; empty ones only show that the owner lives.
    fn next_body(&mut self) -> Result<Vec<u8>, Refusal> {
        loop {
            match frame::read(&mut self.stream).map_err(|error| broken(&error))? {
                None => return Err(broken(&FrameError::Cut)),
                Some(body) if body.is_empty() => {}
                Some(body) => return Ok(body),
            }
        }
    }
}

/// Asks one question of the owner that listens at `socket`.
pub fn call<Q: Serialize, A: DeserializeOwned>(socket: &Path, request: &Q) -> Result<A, Refusal> {
    let client = Client::connect(socket)?;
    let nobody =
        || Refusal::new("E_NO_OWNER", format!("nobody listens at {}", socket.display()), "start cairn serve");
    client.ok_or_else(nobody)?.ask(request)
}

fn nobody(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

fn unreachable_owner(socket: &Path, error: &std::io::Error) -> Refusal {
    let message = format!("asking the owner of this home at {}: {error}", socket.display());
    Refusal::new("E_SOCKET", message, "check who may read the home folder")
}

fn broken(error: &FrameError) -> Refusal {
    let message = format!("the owner of this home went away before it answered: {error}");
    Refusal::new("E_BROKEN", message, "look at the output of cairn serve, then run the command again")
}

fn misread(error: &serde_json::Error) -> Refusal {
    let message = format!("the owner of this home and this command do not understand each other: {error}");
    Refusal::new("E_LEVEL", message, "run both from the same version of cairn: restart cairn serve")
}

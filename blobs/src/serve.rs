//! Answers one stream of questions, after the caller has decided which chunks the peer may have.

use std::time::Duration;

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::error::BlobsError;
use crate::pace::Pace;
use crate::piece::{ABSENT, GROUP, GROUP_BYTES, HERE, QUESTION_BYTES, Question, ranges};
use crate::store::Blobs;
use crate::streams::Watched;

/// Questions that are read ahead.
const QUESTIONS_BYTES: usize = 64 * QUESTION_BYTES;
/// Answers that wait while one is written.
const WAITING_COUNT: usize = 1;
/// What is handed to the stream at a time, where there is a limit on how fast it may go.
const STEP_BYTES: usize = 64 << 10;

impl Blobs {
    /// Answers questions for chunks that `allowed` names until the peer has no more, or neither reads nor writes for
    /// `patience`. Every byte that goes out was compared with its name; a damaged chunk is absent.
    pub async fn serve<R, W>(
        &self,
        reader: R,
        writer: W,
        allowed: impl Fn(&[u8; 32]) -> bool + Send,
        patience: Duration,
        pace: &Pace,
    ) -> Result<(), BlobsError>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let reader = BufReader::with_capacity(QUESTIONS_BYTES, Watched::new(reader, patience));
        let mut writer = Watched::new(writer, patience);
        let (sender, answers) = mpsc::channel(WAITING_COUNT);
        let (read, sent) = tokio::join!(
            self.answer(reader, allowed, sender),
            send(&mut writer, answers, pace), // Ends when the other one has dropped its sender.
        );
        read.and(sent)?;
        close(&mut writer).await
    }

    async fn answer<R: AsyncRead + Unpin + Send>(
        &self,
        mut reader: R,
        allowed: impl Fn(&[u8; 32]) -> bool + Send,
        sender: mpsc::Sender<Vec<u8>>,
    ) -> Result<(), BlobsError> {
        while let Some(question) = Question::read(&mut reader).await.map_err(broken)? {
            let answer = match allowed(&question.hash) {
                true => self.look_up(question).await?,
                false => vec![ABSENT],
            };
            if sender.send(answer).await.is_err() {
                break; // Writing failed and says so itself.
            }
        }
        Ok(())
    }

    async fn look_up(&self, question: Question) -> Result<Vec<u8>, BlobsError> {
        let blobs = self.clone();
        let encoding = tokio::task::spawn_blocking(move || blobs.encode(question));
        match encoding.await.map_err(|error| BlobsError::store("read a chunk", error))? {
            Err(BlobsError::Missing { .. }) => Ok(vec![ABSENT]),
            Err(error @ BlobsError::Damaged { .. }) => {
                tracing::warn!(%error, "a peer asked for what is damaged here");
                Ok(vec![ABSENT])
            }
            encoded => encoded,
        }
    }

    fn encode(&self, question: Question) -> Result<Vec<u8>, BlobsError> {
        let bytes = self.read_unchecked(&question.hash)?;
        let tree = PreOrderMemOutboard::create(&bytes, GROUP);
        if tree.root.as_bytes() != &question.hash {
            return Err(BlobsError::Damaged { hash: question.hash });
        }
        let (from, to, length) = (u64::from(question.from), u64::from(question.to), bytes.len() as u64);
        if from >= to || to > length {
            return Ok(vec![ABSENT]);
        }
        let room = (to - from + 2 * GROUP_BYTES) as usize;
        let mut answer = Vec::with_capacity(room + room / 200);
        answer.push(HERE);
        answer.extend(length.to_le_bytes());
        encode_ranges(&bytes[..], &tree, &ranges(from, to, length), &mut answer)
            .map_err(|error| BlobsError::store("encode a chunk", error))?;
        Ok(answer)
    }
}

async fn send<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut answers: mpsc::Receiver<Vec<u8>>,
    pace: &Pace,
) -> Result<(), BlobsError> {
    while let Some(answer) = answers.recv().await {
        for step in answer.chunks(STEP_BYTES) {
            pace.take(step.len() as u64).await;
            writer.write_all(step).await.map_err(broken)?;
        }
        if answers.is_empty() {
            writer.flush().await.map_err(broken)?;
        }
    }
    Ok(())
}

/// Says that this was all: a dropped stream of libp2p is a reset, which would lose the last bytes.
async fn close<W: AsyncWrite + Unpin>(writer: &mut W) -> Result<(), BlobsError> {
    writer.shutdown().await.map_err(broken)
}

pub(crate) fn broken(error: std::io::Error) -> BlobsError {
    BlobsError::Broken { reason: error.to_string() }
}

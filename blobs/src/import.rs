//! From a file to chunks, in bounded memory, storing only what is new.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use crate::chunk::{self, Chunk};
use crate::error::BlobsError;
use crate::store::Blobs;

/// Chunks that may wait between the reader and the store.
const WAITING_CHUNKS: usize = 4;

/// A file that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Bytes of the file.
    pub bytes: u64,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Bytes that this call added to the store; chunks that were there already cost nothing.
    pub stored_bytes: u64,
}

impl Blobs {
    /// Takes a file in. When this returns, every chunk is durable.
    pub async fn import(&self, path: &Path) -> Result<Imported, BlobsError> {
        let (sender, mut pieces) = mpsc::channel(WAITING_CHUNKS);
        let reading = tokio::task::spawn_blocking({
            let path = path.to_owned();
            move || read_pieces(path, &sender)
        });
        let mut imported = Imported { bytes: 0, chunks: Vec::new(), stored_bytes: 0 };
        let mut fresh = Vec::new();
        while let Some(piece) = pieces.recv().await {
            self.take_in(piece, &mut imported, &mut fresh).await?;
        }
        reading.await.map_err(|error| BlobsError::store("read", error))??;
        self.make_durable(&fresh).await?;
        Ok(imported)
    }

    async fn take_in(
        &self,
        piece: Vec<u8>,
        imported: &mut Imported,
        fresh: &mut Vec<Chunk>,
    ) -> Result<(), BlobsError> {
        let chunk = Chunk::of(&piece);
        if !self.has(&chunk.hash).await? {
            self.add(piece).await?;
            imported.stored_bytes += chunk.bytes;
            fresh.push(chunk);
        }
        imported.bytes += chunk.bytes;
        imported.chunks.push(chunk);
        Ok(())
    }
}

fn read_pieces(path: PathBuf, sender: &mpsc::Sender<Vec<u8>>) -> Result<(), BlobsError> {
    let file = File::open(&path).map_err(BlobsError::disk("open", &path))?;
    for piece in chunk::cut(file) {
        let piece = piece.map_err(|error| BlobsError::disk("read", &path)(error.into()))?;
        if sender.blocking_send(piece.data).is_err() {
            break; // The import failed and says so itself.
        }
    }
    Ok(())
}

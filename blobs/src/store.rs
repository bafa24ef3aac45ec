//! The handle on one store: chunks in a folder, named by their hash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use iroh_blobs::api::blobs::BlobStatus;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::fs::options::Options;
use iroh_blobs::{BlobFormat, Hash};

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::durable;
use crate::error::BlobsError;

/// How long the store gathers writes into one transaction. The default of half a second is made
/// for many small blobs; with chunks of a megabyte nothing is gained by waiting.
const GATHER: Duration = Duration::from_millis(20);

/// A content-addressed store of chunks. Clones share one store; it has one process at a time.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(crate) store: FsStore,
    pub(crate) folder: PathBuf,
}

impl Blobs {
    /// Opens the store in `folder`, and creates it where there is none.
    pub async fn open(folder: &Path) -> Result<Self, BlobsError> {
        std::fs::create_dir_all(folder).map_err(BlobsError::disk("create", folder))?;
        let mut options = Options::new(folder);
        options.batch.max_write_duration = GATHER;
        options.batch.max_read_duration = GATHER;
        let store = FsStore::load_with_opts(folder.join("blobs.db"), options)
            .await
            .map_err(|error| BlobsError::store("open", error))?;
        Ok(Self { store, folder: folder.to_owned() })
    }

    /// Closes the store. Other clones answer with errors from here on.
    pub async fn close(self) -> Result<(), BlobsError> {
        self.store.sync_db().await.map_err(|error| BlobsError::store("flush", error))?;
        self.store.shutdown().await.map_err(|error| BlobsError::store("close", error))
    }

    /// Whether a chunk is here, whole.
    pub async fn has(&self, hash: &[u8; 32]) -> Result<bool, BlobsError> {
        Ok(self.held_bytes(hash).await?.is_some())
    }

    /// The chunks of a list that are not here, each one once, in the order of the list.
    pub async fn missing(&self, chunks: &[Chunk]) -> Result<Vec<Chunk>, BlobsError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut missing = Vec::new();
        for chunk in chunks {
            if seen.insert(chunk.hash) && !self.has(&chunk.hash).await? {
                missing.push(*chunk);
            }
        }
        Ok(missing)
    }

    /// Stores bytes as one chunk, durably.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<Chunk, BlobsError> {
        let chunk = Chunk::of(&bytes);
        if bytes.len() > CHUNK_BYTES_MAX {
            return Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes });
        }
        self.add(bytes).await?;
        self.make_durable(&[chunk]).await?;
        Ok(chunk)
    }

    /// The bytes of one chunk, compared with its name.
    pub async fn read(&self, hash: &[u8; 32]) -> Result<Vec<u8>, BlobsError> {
        let held = self.held_bytes(hash).await?.ok_or(BlobsError::Missing { hash: *hash })?;
        if held > CHUNK_BYTES_MAX as u64 {
            return Err(BlobsError::TooLarge { hash: *hash, bytes: held });
        }
        let bytes = self.store.get_bytes(Hash::from_bytes(*hash)).await;
        // The store refuses bytes that do not fit its tree of hashes: they were right once.
        let bytes = bytes.map_err(|error| {
            tracing::warn!(%error, chunk = %crate::chunk::hex(hash), "cannot read a chunk");
            BlobsError::Damaged { hash: *hash }
        })?;
        match blake3::hash(&bytes).as_bytes() == hash {
            true => Ok(bytes.to_vec()),
            false => Err(BlobsError::Damaged { hash: *hash }),
        }
    }

    /// How large a chunk is, when it is here whole.
    pub(crate) async fn held_bytes(&self, hash: &[u8; 32]) -> Result<Option<u64>, BlobsError> {
        match self.store.status(Hash::from_bytes(*hash)).await {
            Ok(BlobStatus::Complete { size }) => Ok(Some(size)),
            Ok(_) => Ok(None),
            Err(error) => Err(BlobsError::store("look up a chunk", error)),
        }
    }

    /// Adds bytes without making them durable.
    pub(crate) async fn add(&self, bytes: Vec<u8>) -> Result<(), BlobsError> {
        let adding = self.store.add_bytes_with_opts((Bytes::from(bytes), BlobFormat::Raw));
        // A temporary tag: a plain `add_bytes` leaves a permanent one behind for each chunk.
        let tag = adding.temp_tag().await;
        tag.map(drop).map_err(|error| BlobsError::store("add a chunk", error))
    }

    /// Makes chunks durable: iroh-blobs renames what it imports without an fsync.
    pub(crate) async fn make_durable(&self, chunks: &[Chunk]) -> Result<(), BlobsError> {
        let data = self.folder.join("data");
        let hashes: Vec<[u8; 32]> = chunks.iter().map(|chunk| chunk.hash).collect();
        tokio::task::spawn_blocking(move || durable::sync_chunks(&data, &hashes))
            .await
            .map_err(|error| BlobsError::store("flush", error))??;
        self.store.sync_db().await.map_err(|error| BlobsError::store("flush", error))
    }
}

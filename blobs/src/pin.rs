//! Names that keep chunks: nothing that a pin names is ever collected.
//!
//! A pin is a tag on a sequence of hashes, which protects the sequence and all its members.
//! Nothing collects at present; the pins are written from the first day on, so that a later
//! collector finds everything that must stay.

use futures::StreamExt;
use iroh_blobs::hashseq::HashSeq;
use iroh_blobs::{BlobFormat, Hash, HashAndFormat};

use crate::chunk::Chunk;
use crate::error::BlobsError;
use crate::store::Blobs;

impl Blobs {
    /// Keeps `hashes` under `name`, durably, in place of what the name kept before.
    pub async fn pin(&self, name: &str, hashes: &[[u8; 32]]) -> Result<(), BlobsError> {
        let list: HashSeq = hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect();
        let bytes = list.into_inner();
        let chunk = Chunk::of(&bytes);
        let adding = self.store.add_bytes_with_opts((bytes, BlobFormat::HashSeq));
        // Held until the tag is set, so that no collector passes between the two.
        let held = adding.temp_tag().await.map_err(|error| BlobsError::store("add a pin", error))?;
        self.make_durable(&[chunk]).await?;
        let root = HashAndFormat::hash_seq(Hash::from_bytes(chunk.hash));
        let tagging = self.store.tags().set(name, root).await;
        tagging.map_err(|error| BlobsError::store("set a pin", error))?;
        drop(held);
        self.store.sync_db().await.map_err(|error| BlobsError::store("flush", error))
    }

    /// What `name` keeps.
    pub async fn pinned(&self, name: &str) -> Result<Option<Vec<[u8; 32]>>, BlobsError> {
        let tag = self.store.tags().get(name).await;
        let Some(tag) = tag.map_err(|error| BlobsError::store("look up a pin", error))? else {
            return Ok(None);
        };
        let list = self.read(tag.hash.as_bytes()).await?;
        Ok(Some(list.as_chunks().0.to_vec()))
    }

    /// Lets go of `name`.
    pub async fn unpin(&self, name: &str) -> Result<(), BlobsError> {
        let removed = self.store.tags().delete(name).await;
        removed.map(drop).map_err(|error| BlobsError::store("remove a pin", error))
    }

    /// Every name that keeps something and starts with `prefix`.
    pub async fn pins(&self, prefix: &str) -> Result<Vec<String>, BlobsError> {
        let tags = self.store.tags().list_prefix(prefix).await;
        let tags = tags.map_err(|error| BlobsError::store("list pins", error))?;
        let mut tags = std::pin::pin!(tags);
        let mut names = Vec::new();
        while let Some(tag) = tags.next().await {
            let tag = tag.map_err(|error| BlobsError::store("list pins", error))?;
            names.push(String::from_utf8_lossy(tag.name.as_ref()).into_owned());
        }
        Ok(names)
    }
}

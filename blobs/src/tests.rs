//! Transfers between two stores over a pipe: honest, resumed, cut, and lied to.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};

use crate::{Blobs, BlobsError, Chunk, Fault, Fetched, Imported};

const PATIENCE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(30);

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn write(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join("file.bin");
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn store() -> (tempfile::TempDir, Blobs) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).await.unwrap();
    (dir, blobs)
}

async fn stored(bytes: &[u8]) -> (tempfile::TempDir, Blobs, Imported) {
    let (dir, blobs) = store().await;
    let imported = blobs.import(&write(dir.path(), bytes)).await.unwrap();
    (dir, blobs, imported)
}

type Halves = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

fn pipe() -> (Halves, Halves) {
    let (near, far) = duplex(64 << 10);
    (split(near), split(far))
}

/// One chunk from `giver` to `taker`.
async fn give(giver: &Blobs, taker: &Blobs, chunk: Chunk) -> Result<Fetched, BlobsError> {
    let (near, far) = pipe();
    let giver = giver.clone();
    let serving = tokio::spawn(async move { giver.serve(far.0, far.1, &chunk.hash, PATIENCE, LIMIT).await });
    let fetched = taker.fetch(near.0, near.1, &chunk, PATIENCE, LIMIT).await;
    serving.await.unwrap().ok();
    fetched
}

#[tokio::test]
async fn a_file_comes_back_byte_for_byte_from_another_store() {
    let bytes = noise(9_000_001, 1);
    let (_a, giver, imported) = stored(&bytes).await;
    let (dir, taker) = store().await;
    assert_eq!(taker.missing(&imported.chunks).await.unwrap(), imported.chunks);
    for chunk in &imported.chunks {
        assert_eq!(give(&giver, &taker, *chunk).await.unwrap().payload_bytes, chunk.bytes);
    }
    assert!(taker.missing(&imported.chunks).await.unwrap().is_empty());
    let out = dir.path().join("out.bin");
    assert_eq!(taker.export(&imported.chunks, &out).await.unwrap(), bytes.len() as u64);
    assert_eq!(std::fs::read(out).unwrap(), bytes);
}

#[tokio::test]
async fn an_empty_file_has_no_chunks() {
    let (dir, blobs, imported) = stored(b"").await;
    assert_eq!(imported, Imported { bytes: 0, chunks: vec![], stored_bytes: 0 });
    let out = dir.path().join("out");
    assert_eq!(blobs.export(&imported.chunks, &out).await.unwrap(), 0);
    assert!(std::fs::read(out).unwrap().is_empty());
}

#[tokio::test]
async fn a_small_change_costs_about_a_chunk() {
    let mut bytes = noise(20 << 20, 2);
    let (dir, blobs, first) = stored(&bytes).await;
    assert_eq!(first.stored_bytes, bytes.len() as u64);
    bytes.insert(10 << 20, 7);
    let second = blobs.import(&write(dir.path(), &bytes)).await.unwrap();
    assert!(second.stored_bytes <= 2 * crate::CHUNK_BYTES_MAX as u64, "{}", second.stored_bytes);
    let again = blobs.import(&write(dir.path(), &bytes)).await.unwrap();
    assert_eq!(again.stored_bytes, 0);
}

#[tokio::test]
async fn chunks_and_pins_survive_closing() {
    let (dir, blobs, imported) = stored(&noise(3 << 20, 3)).await;
    let hashes: Vec<_> = imported.chunks.iter().map(|chunk| chunk.hash).collect();
    blobs.pin("some/name", &hashes).await.unwrap();
    blobs.close().await.unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).await.unwrap();
    assert!(blobs.missing(&imported.chunks).await.unwrap().is_empty());
    assert_eq!(blobs.pinned("some/name").await.unwrap(), Some(hashes));
    assert_eq!(blobs.pins("some/").await.unwrap(), ["some/name"]);
    assert_eq!(blobs.pinned("other").await.unwrap(), None);
    blobs.unpin("some/name").await.unwrap();
    assert_eq!(blobs.pinned("some/name").await.unwrap(), None);
}

#[tokio::test]
async fn d4_a_provider_that_lies_is_named_and_leaves_nothing() {
    let wanted = Chunk::of(&noise(1 << 20, 4));
    let (_b, taker) = store().await;
    for seed in 0..4u64 {
        let (near, mut far) = pipe();
        let lying = tokio::spawn(async move {
            let mut request = Vec::new();
            far.0.read_to_end(&mut request).await.unwrap();
            far.1.write_all(&(1u64 << 20).to_le_bytes()).await.unwrap();
            far.1.write_all(&noise(1 << 20, 100 + seed)).await.ok();
        });
        let error = taker.fetch(near.0, near.1, &wanted, PATIENCE, LIMIT).await.unwrap_err();
        assert!(matches!(error, BlobsError::Lied { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Peer);
        assert!(!taker.has(&wanted.hash).await.unwrap());
        lying.await.unwrap();
    }
}

#[tokio::test]
async fn a10_a_provider_that_claims_a_huge_size_costs_nothing() {
    let wanted = Chunk::of(&noise(1 << 20, 4));
    let (_b, taker) = store().await;
    for size in [0, 1, (1 << 20) - 1, (1 << 20) + 1, 1 << 40, u64::MAX >> 1, u64::MAX] {
        let (near, mut far) = pipe();
        let lying = tokio::spawn(async move {
            let mut request = Vec::new();
            far.0.read_to_end(&mut request).await.unwrap();
            far.1.write_all(&size.to_le_bytes()).await.unwrap();
            far.1.write_all(&noise(200_000, size)).await.ok();
        });
        let error = taker.fetch(near.0, near.1, &wanted, PATIENCE, LIMIT).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Peer, "{size}: {error}");
        assert!(!taker.has(&wanted.hash).await.unwrap());
        lying.await.unwrap();
    }
}

/// Lets `bytes` through from `giver`, then cuts the line.
async fn give_a_part(giver: &Blobs, taker: &Blobs, chunk: Chunk, bytes: u64) -> BlobsError {
    let (near, far) = pipe();
    let (inner, outer) = pipe();
    let giver = giver.clone();
    tokio::spawn(async move { giver.serve(outer.0, outer.1, &chunk.hash, PATIENCE, LIMIT).await });
    tokio::spawn(async move {
        let (mut requests, mut answers) = (far.0, far.1);
        let (from_giver, mut to_giver) = inner;
        tokio::io::copy(&mut requests, &mut to_giver).await.ok();
        to_giver.shutdown().await.ok();
        tokio::io::copy(&mut from_giver.take(bytes), &mut answers).await.ok();
        answers.shutdown().await.ok();
    });
    taker.fetch(near.0, near.1, &chunk, PATIENCE, LIMIT).await.unwrap_err()
}

#[tokio::test]
async fn a_cut_line_is_resumed_where_it_broke() {
    let bytes = noise(2 << 20, 5);
    let (_a, giver) = store().await;
    let chunk = giver.put(bytes.clone()).await.unwrap();
    let (_b, taker) = store().await;
    let error = give_a_part(&giver, &taker, chunk, 1 << 20).await;
    assert!(matches!(error, BlobsError::Truncated { .. }), "{error}");
    let rest = give(&giver, &taker, chunk).await.unwrap().payload_bytes;
    assert!(rest < chunk.bytes, "{rest} of {} came again", chunk.bytes);
    assert_eq!(taker.read(&chunk.hash).await.unwrap(), bytes);
}

#[tokio::test]
async fn d2_a_silent_provider_and_a_silent_getter_are_let_go() {
    let (_a, giver) = store().await;
    let chunk = giver.put(noise(1 << 20, 6)).await.unwrap();
    let soon = Duration::from_millis(100);
    let (near, _far) = pipe();
    let error = giver.serve(near.0, near.1, &chunk.hash, soon, LIMIT).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Peer, "{error}");
    let wanted = Chunk::of(b"something else");
    let (near, _far) = pipe();
    let error = giver.fetch(near.0, near.1, &wanted, soon, LIMIT).await.unwrap_err();
    assert!(matches!(error, BlobsError::Stalled { .. }), "{error}");
}

#[tokio::test]
async fn a_stream_serves_only_the_blob_that_it_was_opened_for() {
    let (_a, giver) = store().await;
    let secret = giver.put(noise(100_000, 7)).await.unwrap();
    let open = giver.put(noise(100_000, 8)).await.unwrap();
    let (_b, taker) = store().await;
    let (near, far) = pipe();
    let serving = tokio::spawn({
        let giver = giver.clone();
        async move { giver.serve(far.0, far.1, &open.hash, PATIENCE, LIMIT).await }
    });
    let error = taker.fetch(near.0, near.1, &secret, PATIENCE, LIMIT).await.unwrap_err();
    assert!(matches!(error, BlobsError::Truncated { .. }), "{error}");
    assert!(matches!(serving.await.unwrap(), Err(BlobsError::NotAllowed)));
    assert!(!taker.has(&secret.hash).await.unwrap());
}

#[tokio::test]
async fn a10_garbage_requests_are_typed_errors() {
    let (_a, giver) = store().await;
    let open = giver.put(noise(100_000, 8)).await.unwrap();
    for seed in 0..32 {
        let (mut near, far) = pipe();
        near.1.write_all(&noise(1 + 600 * seed as usize, seed)).await.unwrap();
        near.1.shutdown().await.unwrap();
        let error = giver.serve(far.0, far.1, &open.hash, PATIENCE, LIMIT).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Peer, "{error}");
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found_before_anything_is_written() {
    let (dir, blobs, imported) = stored(&noise(3 << 20, 9)).await;
    blobs.close().await.unwrap();
    let victim = &imported.chunks[0];
    let name = format!("{}.data", crate::chunk::hex(&victim.hash));
    let path = dir.path().join("blobs/data").join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).await.unwrap();
    let out = dir.path().join("out.bin");
    std::fs::write(&out, b"what was there").unwrap();
    let error = blobs.export(&imported.chunks, &out).await.unwrap_err();
    assert!(matches!(error, BlobsError::Damaged { hash } if hash == victim.hash), "{error}");
    assert_eq!(std::fs::read(&out).unwrap(), b"what was there");
}

#[tokio::test]
async fn a_list_with_impossible_sizes_is_refused() {
    let (_a, blobs) = store().await;
    let chunk = Chunk { hash: [1; 32], bytes: u64::MAX };
    let (near, _far) = pipe();
    let error = blobs.fetch(near.0, near.1, &chunk, PATIENCE, LIMIT).await.unwrap_err();
    assert!(matches!(error, BlobsError::TooLarge { .. }));
    let out = _a.path().join("out");
    assert!(matches!(blobs.export(&[chunk], &out).await, Err(BlobsError::TooLarge { .. })));
    assert!(!out.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Cutting loses nothing, and borders depend on the content alone.
    #[test]
    fn chunks_are_the_bytes(length in 0usize..6_000_000, seed in any::<u64>()) {
        let bytes = noise(length, seed);
        let pieces: Vec<_> = crate::chunk::cut(&bytes[..]).map(|piece| piece.unwrap().data).collect();
        prop_assert_eq!(pieces.concat(), bytes.clone());
        prop_assert!(pieces.iter().all(|piece| piece.len() <= crate::CHUNK_BYTES_MAX));
        let again: Vec<_> = crate::chunk::cut(&bytes[..]).map(|piece| piece.unwrap().data).collect();
        prop_assert_eq!(pieces, again);
    }
}

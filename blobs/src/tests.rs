//! Transfers between two stores over a pipe: honest, resumed, cut, and lied to.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};

use crate::block::Blocks;
use crate::pack::MAGIC_BYTES;
use crate::{Blobs, BlobsError, Chunk, Fault, Imported, Lane, Pace, Piece, Short};

const PATIENCE: Duration = Duration::from_secs(5);

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

fn store() -> (tempfile::TempDir, Blobs) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    (dir, blobs)
}

fn stored(bytes: &[u8]) -> (tempfile::TempDir, Blobs, Imported) {
    let (dir, blobs) = store();
    let imported = blobs.import(&write(dir.path(), bytes)).unwrap();
    (dir, blobs, imported)
}

/// The only pack of a store.
fn pack(dir: &Path) -> std::path::PathBuf {
    dir.join("blobs/packs/00000001.pack")
}

type Halves = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

fn pipe() -> (Halves, Halves) {
    let (near, far) = duplex(64 << 10);
    (split(near), split(far))
}

/// Serves `giver` on a pipe, with all its chunks allowed; the asker's side of it.
fn served(giver: &Blobs) -> Halves {
    let (near, far) = pipe();
    let giver = giver.clone();
    tokio::spawn(async move { giver.serve(far.0, far.1, |_| true, PATIENCE, &Pace::free()).await });
    near
}

/// Asks for pieces all at once, then takes the answers.
async fn ask(near: Halves, pieces: &[Piece]) -> Vec<Result<Vec<u8>, Short>> {
    let (reader, mut writer) = near;
    let questions: Vec<u8> = pieces.iter().flat_map(Piece::question).collect();
    writer.write_all(&questions).await.unwrap();
    writer.shutdown().await.unwrap();
    let mut lane = Lane::new(reader, PATIENCE, Pace::free());
    let mut answers = Vec::new();
    for piece in pieces {
        answers.push(lane.receive(piece).await);
    }
    answers
}

/// What a provider that answers with these bytes brings.
async fn answered(piece: Piece, bytes: Vec<u8>) -> BlobsError {
    let (near, mut far) = pipe();
    let answering = tokio::spawn(async move {
        let mut question = [0; crate::QUESTION_BYTES];
        far.0.read_exact(&mut question).await.unwrap();
        far.1.write_all(&bytes).await.ok();
        far.1.shutdown().await.ok();
    });
    let error = ask(near, &[piece]).await.remove(0).unwrap_err().error;
    answering.await.unwrap();
    error
}

#[tokio::test]
async fn a_file_comes_back_byte_for_byte_from_another_store() {
    let bytes = noise(9_000_001, 1);
    let (_a, giver, imported) = stored(&bytes);
    let (dir, taker) = store();
    assert_eq!(taker.missing(&imported.chunks), imported.chunks);
    let pieces: Vec<Piece> = imported.chunks.iter().map(|chunk| taker.rest_of(*chunk).unwrap()).collect();
    for (piece, answer) in pieces.iter().zip(ask(served(&giver), &pieces).await) {
        taker.complete(piece, answer.unwrap()).unwrap();
    }
    taker.sync().unwrap();
    assert!(taker.missing(&imported.chunks).is_empty());
    let out = dir.path().join("out.bin");
    assert_eq!(taker.export(&imported.chunks, &out).unwrap(), bytes.len() as u64);
    assert_eq!(std::fs::read(out).unwrap(), bytes);
}

#[test]
fn an_empty_file_has_no_chunks() {
    let (dir, blobs, imported) = stored(b"");
    assert_eq!(imported, Imported { bytes: 0, chunks: vec![], stored_bytes: 0 });
    let out = dir.path().join("out");
    assert_eq!(blobs.export(&imported.chunks, &out).unwrap(), 0);
    assert!(std::fs::read(out).unwrap().is_empty());
}

#[test]
fn a_small_change_costs_about_a_chunk() {
    let mut bytes = noise(20 << 20, 2);
    let (dir, blobs, first) = stored(&bytes);
    assert_eq!(first.stored_bytes, bytes.len() as u64);
    bytes.insert(10 << 20, 7);
    let second = blobs.import(&write(dir.path(), &bytes)).unwrap();
    assert!(second.stored_bytes <= 1 << 20, "{}", second.stored_bytes);
    let again = blobs.import(&write(dir.path(), &bytes)).unwrap();
    assert_eq!(again.stored_bytes, 0);
}

#[test]
fn a_store_that_takes_nothing_more_is_an_error_and_nobody_waits() {
    let (dir, blobs) = store();
    std::fs::remove_dir_all(dir.path().join("blobs/packs")).unwrap();
    let file = write(dir.path(), &noise(20 << 20, 5));
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(blobs.import(&file).map(drop)));
    let ended = ended.recv_timeout(6 * PATIENCE).expect("the import ends");
    assert!(matches!(ended, Err(BlobsError::Disk { .. })), "{ended:?}");
}

#[test]
fn chunks_and_pins_survive_closing() {
    let (dir, blobs, imported) = stored(&noise(3 << 20, 3));
    let hashes: Vec<_> = imported.chunks.iter().map(|chunk| chunk.hash).collect();
    blobs.pin("some/name", &hashes).unwrap();
    blobs.close().unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    assert!(blobs.missing(&imported.chunks).is_empty());
    assert_eq!(blobs.pinned("some/name").unwrap(), Some(hashes));
    assert_eq!(blobs.pins("some").unwrap(), ["some/name"]);
    assert_eq!(blobs.pinned("other").unwrap(), None);
    assert!(blobs.pin("../out", &[]).is_err() && blobs.pinned("/etc/passwd").is_err());
    blobs.unpin("some/name").unwrap();
    assert_eq!(blobs.pinned("some/name").unwrap(), None);
}

#[test]
fn a_pack_that_was_cut_off_keeps_what_was_whole() {
    let (dir, blobs, imported) = stored(&noise(3 << 20, 11));
    drop(blobs);
    let path = pack(dir.path());
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    let missing = blobs.missing(&imported.chunks);
    assert_eq!(missing.len(), 1, "the one that was written last");
    let again = blobs.import(&dir.path().join("file.bin")).unwrap();
    assert_eq!((again.stored_bytes, &again.chunks), (missing[0].bytes, &imported.chunks));
    drop(blobs);
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    assert!(blobs.missing(&imported.chunks).is_empty());
}

#[test]
fn many_packs_are_found_again_by_their_lists() {
    let (dir, blobs, imported) = stored(&noise(150 << 20, 12));
    drop(blobs);
    let lists = std::fs::read_dir(dir.path().join("blobs/packs")).unwrap();
    let lists: Vec<_> = lists
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "list"))
        .collect();
    assert_eq!(lists.len(), 2);
    // A list that is damaged is made again from its pack.
    std::fs::write(&lists[0], b"nonsense").unwrap();
    for _ in 0..2 {
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        assert!(blobs.missing(&imported.chunks).is_empty());
        let out = dir.path().join("out.bin");
        blobs.export(&imported.chunks, &out).unwrap();
        assert!(std::fs::read(out).unwrap() == std::fs::read(dir.path().join("file.bin")).unwrap());
    }
}

#[tokio::test]
async fn d4_a_provider_that_lies_is_named_and_leaves_nothing() {
    let wanted = Piece::whole(Chunk::of(&noise(1 << 20, 4)));
    for seed in 0..4u64 {
        let lie = [&[0][..], &(1u64 << 20).to_le_bytes(), &noise(1 << 20, 100 + seed)].concat();
        let error = answered(wanted, lie).await;
        assert!(matches!(error, BlobsError::Lied { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Peer);
    }
}

#[tokio::test]
async fn a10_a_provider_that_claims_a_huge_size_costs_nothing() {
    let wanted = Piece::whole(Chunk::of(&noise(1 << 20, 4)));
    for size in [0, 1, (1 << 20) - 1, (1 << 20) + 1, 1 << 40, u64::MAX >> 1, u64::MAX] {
        let lie = [&[0][..], &size.to_le_bytes(), &noise(200_000, size)].concat();
        let error = answered(wanted, lie).await;
        // Before any of its bytes is looked at.
        let by_size = |reason: &str| reason == format!("it has {size} bytes, not {}", 1 << 20);
        assert!(matches!(&error, BlobsError::Lied { reason, .. } if by_size(reason)), "{size}: {error}");
    }
}

#[tokio::test]
async fn a_cut_line_is_resumed_where_it_broke() {
    let bytes = noise(2 << 20, 5);
    let (_a, giver) = store();
    let chunk = giver.put(&bytes).unwrap();
    let (_b, taker) = store();
    let mut moved = 0;
    let mut cuts = 0;
    // A line that lets 128 KiB through and breaks, again and again.
    while !taker.has(&chunk.hash) {
        let piece = taker.rest_of(chunk).unwrap();
        let (reader, writer) = served(&giver);
        let answer = ask_cut(reader, writer, piece, 128 << 10).await;
        match answer {
            Ok(rest) => {
                moved += rest.len();
                assert_eq!(taker.complete(&piece, rest).unwrap(), bytes);
            }
            Err(short) => {
                assert!(matches!(short.error, BlobsError::Truncated { .. }), "{}", short.error);
                moved += short.bytes.len();
                taker.keep_short(&piece, &short.bytes).unwrap();
                cuts += 1;
            }
        }
        assert!(cuts < 30, "it comes to an end");
    }
    assert!(cuts >= 15 && moved == bytes.len(), "{cuts} {moved}");
    assert_eq!(taker.read(&chunk.hash).unwrap(), bytes);
}

async fn ask_cut(
    reader: ReadHalf<DuplexStream>,
    mut writer: WriteHalf<DuplexStream>,
    piece: Piece,
    bytes: u64,
) -> Result<Vec<u8>, Short> {
    writer.write_all(&piece.question()).await.unwrap();
    writer.shutdown().await.unwrap();
    Lane::new(reader.take(bytes), PATIENCE, Pace::free()).receive(&piece).await
}

#[tokio::test]
async fn a_beginning_that_was_damaged_meanwhile_is_not_taken() {
    let bytes = noise(500_000, 13);
    let (_a, giver) = store();
    let chunk = giver.put(&bytes).unwrap();
    let (_b, taker) = store();
    taker.keep_short(&Piece::whole(chunk), &noise(300_000, 14)).unwrap();
    let piece = taker.rest_of(chunk).unwrap();
    assert!(piece.from > 0);
    let rest = ask(served(&giver), &[piece]).await.remove(0).unwrap();
    assert!(matches!(taker.complete(&piece, rest), Err(BlobsError::Damaged { .. })));
    assert!(!taker.has(&chunk.hash));
    assert_eq!(taker.rest_of(chunk).unwrap(), Piece::whole(chunk), "it is asked for from its start");
}

#[tokio::test]
async fn parts_of_a_chunk_are_groups_and_no_more() {
    let bytes = noise(1_000_000, 15);
    let (_a, giver) = store();
    let chunk = giver.put(&bytes).unwrap();
    for (range, groups) in [(0..1, 1), (16_383..16_385, 2), (500_000..600_000, 8), (999_999..1_000_000, 1)] {
        let piece = Piece::part(chunk, &range);
        let answer = ask(served(&giver), &[piece]).await.remove(0).unwrap();
        assert_eq!(answer, bytes[piece.from as usize..piece.to as usize]);
        assert!(piece.from <= range.start && piece.to >= range.end);
        assert!(answer.len() <= groups * (16 << 10), "{range:?}: {}", answer.len());
    }
}

#[tokio::test]
async fn d2_a_silent_provider_and_a_silent_getter_are_let_go() {
    let (_a, giver) = store();
    giver.put(&noise(1 << 20, 6)).unwrap();
    let soon = Duration::from_millis(100);
    let (near, _far) = pipe();
    let error = giver.serve(near.0, near.1, |_| true, soon, &Pace::free()).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Peer, "{error}");
    let wanted = Piece::whole(Chunk::of(b"something else"));
    let (near, _far) = pipe();
    let short = Lane::new(near.0, soon, Pace::free()).receive(&wanted).await.unwrap_err();
    assert!(matches!(short.error, BlobsError::Stalled { .. }), "{}", short.error);
}

#[tokio::test]
async fn a_stream_serves_only_what_it_was_opened_for() {
    let (_a, giver) = store();
    let secret = giver.put(&noise(100_000, 7)).unwrap();
    let open = giver.put(&noise(100_000, 8)).unwrap();
    let (near, far) = pipe();
    let allowed = open.hash;
    let serving = tokio::spawn({
        let giver = giver.clone();
        async move {
            let allows = |hash: &[u8; 32]| *hash == allowed;
            giver.serve(far.0, far.1, allows, PATIENCE, &Pace::free()).await
        }
    });
    let unknown = Chunk::of(b"nobody has this");
    let answers = ask(near, &[secret, unknown, open].map(Piece::whole)).await;
    let absent = |answer: &Result<_, Short>| matches!(answer, Err(Short { error: BlobsError::Absent { .. }, bytes }) if bytes.is_empty());
    assert!(absent(&answers[0]) && absent(&answers[1]), "what is secret looks like what is not there");
    assert_eq!(answers[2].as_ref().unwrap(), &noise(100_000, 8));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a10_garbage_questions_are_answered_with_absence_or_an_error() {
    let (_a, giver) = store();
    let open = giver.put(&noise(100_000, 8)).unwrap();
    for seed in 0..32 {
        let (mut near, far) = pipe();
        let mut garbage = noise(1 + 10 * seed as usize, seed);
        // Some of it names what is there, with a part that is not.
        if seed % 2 == 0 && garbage.len() >= 40 {
            garbage[..32].copy_from_slice(&open.hash);
        }
        near.1.write_all(&garbage).await.unwrap();
        near.1.shutdown().await.unwrap();
        let served = giver.serve(far.0, far.1, |_| true, PATIENCE, &Pace::free()).await;
        let mut answer = Vec::new();
        near.0.read_to_end(&mut answer).await.unwrap();
        match garbage.len() % crate::QUESTION_BYTES {
            0 => served.unwrap(),
            _ => assert_eq!(served.unwrap_err().fault(), Fault::Peer),
        }
        assert!(answer.iter().all(|byte| *byte == 1), "{seed}: {} bytes", answer.len());
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found_before_anything_is_written_or_sent() {
    let (dir, blobs, imported) = stored(&noise(3 << 20, 9));
    let path = pack(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // Which chunk lies first in a pack is up to which one was ready first.
    let first = &bytes[MAGIC_BYTES as usize..][..32];
    let victim = *imported.chunks.iter().find(|chunk| chunk.hash == first).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let out = dir.path().join("out.bin");
    std::fs::write(&out, b"what was there").unwrap();
    let error = blobs.export(&imported.chunks, &out).unwrap_err();
    assert!(matches!(error, BlobsError::Damaged { hash } if hash == victim.hash), "{error}");
    assert_eq!(std::fs::read(&out).unwrap(), b"what was there");
    let answer = ask(served(&blobs), &[Piece::whole(victim)]).await.remove(0).unwrap_err();
    assert!(matches!(answer.error, BlobsError::Absent { .. }), "{}", answer.error);
    // Whoever opens the store hears of it too, and does not take the chunk for one that is here.
    let opened = Blobs::open(&dir.path().join("blobs")).unwrap();
    assert_eq!(opened.missing(&imported.chunks), [victim]);
    assert!(matches!(opened.read_chunk(&victim), Err(BlobsError::Damaged { .. })));
    drop(opened);
    // Its bytes are stored again once they come again.
    blobs.disown(&victim.hash);
    assert_eq!(blobs.missing(&imported.chunks), [victim]);
    blobs.import(&dir.path().join("file.bin")).unwrap();
    drop(blobs);
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    assert_eq!(blobs.export(&imported.chunks, &out).unwrap(), imported.bytes);
}

#[tokio::test]
async fn a_list_with_impossible_sizes_is_refused() {
    let (dir, blobs) = store();
    let chunk = Chunk { hash: [1; 32], bytes: u64::MAX };
    let (near, _far) = pipe();
    let short = Lane::new(near.0, PATIENCE, Pace::free()).receive(&Piece::whole(chunk)).await.unwrap_err();
    assert!(matches!(short.error, BlobsError::TooLarge { .. }));
    let out = dir.path().join("out");
    assert!(blobs.export(&[chunk], &out).is_err());
    assert!(!out.exists());
}

#[test]
fn a_sweep_takes_what_nothing_keeps_and_nothing_else() {
    let (dir, blobs, kept) = stored(&noise(5 << 20, 20));
    let gone = blobs.import(&write(dir.path(), &noise(5 << 20, 21))).unwrap();
    let hashes = |imported: &Imported| imported.chunks.iter().map(|chunk| chunk.hash).collect::<Vec<_>>();
    blobs.pin("kept", &hashes(&kept)).unwrap();
    blobs.pin("gone", &hashes(&gone)).unwrap();
    let names = || Ok::<_, BlobsError>(vec!["gone".to_owned()]);
    let would = blobs.sweep(true, names).unwrap();
    assert!(blobs.missing(&gone.chunks).is_empty() && blobs.pinned("gone").unwrap().is_some());
    let swept = blobs.sweep(false, names).unwrap();
    assert_eq!((swept.bytes, swept.kept_bytes), (gone.bytes, kept.bytes));
    assert_eq!((would.bytes, would.chunks), (swept.bytes, swept.chunks));
    assert!(swept.bytes_after < swept.bytes_before * 6 / 10, "{swept:?}");
    assert_eq!(blobs.missing(&gone.chunks).len(), gone.chunks.len());
    for opened in [blobs, Blobs::open(&dir.path().join("blobs")).unwrap()] {
        let out = dir.path().join("out");
        assert_eq!(opened.export(&kept.chunks, &out).unwrap(), kept.bytes);
        assert!(opened.has(&kept.chunks[0].hash) && !opened.has(&gone.chunks[0].hash));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Cutting loses nothing, and borders depend on the content alone, not on how it is read.
    #[test]
    fn chunks_are_the_bytes(length in 0usize..12_000_000, seed in any::<u64>(), read in 1000usize..5_000_000) {
        let bytes = noise(length, seed);
        let sizes = crate::chunk::Sizes::of_file(length as u64);
        let cut = |source: &mut dyn std::io::Read| {
            let mut pieces = Vec::new();
            crate::chunk::cut(Blocks::of(source, sizes.max), sizes, |piece| {
                pieces.push(piece.to_vec());
                true
            })
            .unwrap();
            pieces
        };
        let pieces = cut(&mut &bytes[..]);
        prop_assert_eq!(pieces.concat(), bytes.clone());
        prop_assert!(pieces.iter().all(|piece| piece.len() <= sizes.max));
        let again = cut(&mut Slow(&bytes, read));
        prop_assert_eq!(pieces, again);
        // Borders lie where one look at the whole would find them.
        let whole = fastcdc::v2020::FastCDC::new(&bytes, 64 << 10, 128 << 10, 512 << 10);
        let lengths: Vec<usize> = whole.map(|piece| piece.length).collect();
        let found: Vec<usize> = cut(&mut &bytes[..]).iter().map(Vec::len).collect();
        prop_assert_eq!(lengths, found);
    }
}

/// A source that gives so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(buffer.len());
        std::io::Read::read(&mut self.0, &mut buffer[..most])
    }
}

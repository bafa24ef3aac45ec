use super::index::Index;
use super::*;
use crate::samples::{feed, log_over, waypoints};
use proptest::prelude::*;

fn stone(start: u64, level: u8, faded: &[usize]) -> (Vec<u8>, LogHash) {
    let feed = feed(1, "p", 1);
    let all = waypoints(feed, start + (1 << level));
    let hash = log_over(&all).subtree(level, start >> level).unwrap();
    let stored: Vec<_> = all[start as usize..]
        .iter()
        .enumerate()
        .map(|(index, waypoint)| match index {
            index if faded.contains(&index) => Stored::Faded(waypoint.id()),
            1 => Stored::Body(waypoint.without(|index, _| index == 1)),
            _ => Stored::Body(waypoint.clone()),
        })
        .collect();
    let name = StoneName { feed, span: Span { start, level } };
    (write_stone(&name, &stored).unwrap(), hash)
}

fn read_whole(file: &[u8], hash: &LogHash) -> Result<(), Reject> {
    StoneReader::open(file)?.verify(hash)
}

#[test]
fn a_stone_gives_back_what_was_put_in() {
    let (file, hash) = stone(8, 3, &[2, 5]);
    let reader = StoneReader::open(&file[..]).unwrap();
    reader.verify(&hash).unwrap();
    assert_eq!(reader.hash(), hash);
    let all = waypoints(feed(1, "p", 1), 16);
    for (place, stored) in (8..16).zip(reader.read_all()) {
        let stored = stored.unwrap();
        assert_eq!(reader.read(place), Ok(stored.clone()));
        assert_eq!(reader.id(place), Ok(all[place as usize].id()));
        match stored {
            Stored::Faded(id) => assert!(id == all[10].id() || id == all[13].id()),
            Stored::Body(waypoint) if place == 9 => assert!(!waypoint.is_whole()),
            Stored::Body(waypoint) => assert_eq!(waypoint, all[place as usize]),
        }
    }
    assert!(reader.read(7).is_err() && reader.read(16).is_err());
    assert!(reader.verify(&LogHash([0; 32])).is_err());
}

#[test]
fn a_stone_of_large_waypoints_has_many_blocks() {
    let feed = feed(1, "p", 1);
    let text: Vec<u8> = (0..40_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let all: Vec<_> = (1..=4).map(|seq| Stored::Body(crate::samples::waypoint(feed, seq, &text))).collect();
    let file = write_stone(&StoneName { feed, span: Span { start: 0, level: 2 } }, &all).unwrap();
    let reader = StoneReader::open(&file[..]).unwrap();
    assert_eq!(reader.index.blocks.len(), 4);
    assert_eq!(reader.read(2), Ok(all[2].clone()));
    reader.verify(&reader.hash()).unwrap();
}

#[test]
fn a_wholly_faded_stone_is_one_hash() {
    let name = StoneName { feed: feed(1, "p", 1), span: Span { start: 4, level: 2 } };
    let file = write_faded_stone(&name, LogHash([9; 32])).unwrap();
    let reader = StoneReader::open(&file[..]).unwrap();
    reader.verify(&LogHash([9; 32])).unwrap();
    assert!(!reader.is_listed());
    assert_eq!(reader.read(4), Err(Reject::Faded));
    for bit in 0..8 * file.len() {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read_whole(&bad, &LogHash([9; 32])).is_err(), "{bit}");
    }
}

#[test]
fn a8_every_flipped_bit_and_every_truncation_is_found() {
    let (file, hash) = stone(2, 1, &[]);
    read_whole(&file, &hash).unwrap();
    for bit in 0..8 * file.len() {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read_whole(&bad, &hash).is_err(), "{bit}");
    }
    for length in 0..file.len() {
        assert!(read_whole(&file[..length], &hash).is_err(), "{length}");
    }
}

#[test]
fn a8_a_damaged_block_is_named_before_it_is_unpacked() {
    let (file, _) = stone(2, 1, &[]);
    let end = StoneReader::open(&file[..]).unwrap().foot.index_offset as usize;
    for at in HEADER_BYTES..end {
        let mut bad = file.clone();
        bad[at] ^= 1;
        let reader = StoneReader::open(&bad[..]).unwrap();
        let refused = Reject::Stone { offset: HEADER_BYTES as u64, what: "checksum of a block" };
        assert_eq!(reader.read(2), Err(refused));
    }
}

#[test]
fn a6_no_part_of_a_stone_fits_into_another() {
    let (one, _) = stone(0, 1, &[]);
    let (two, hash) = stone(2, 1, &[]);
    for (from, to) in [(0, HEADER_BYTES), (HEADER_BYTES, one.len()), (0, one.len() - FOOTER_BYTES)] {
        let mut grafted = two.clone();
        let to = to.min(two.len());
        grafted[from..to].copy_from_slice(&one[from..to]);
        assert!(read_whole(&grafted, &hash).is_err(), "{from}..{to}");
    }
    let other = StoneName { feed: feed(2, "p", 1), span: Span { start: 0, level: 0 } };
    let alien = Stored::Body(waypoints(feed(1, "p", 1), 1).remove(0));
    assert_eq!(write_stone(&other, &[alien]), Err(Reject::Graft("repo")));
}

/// Rewrites footer and index sums over a changed index, as a hostile maker of stones would.
fn with_index(file: &[u8], change: impl FnOnce(&mut Index)) -> Vec<u8> {
    let reader = StoneReader::open(file).unwrap();
    let mut index = reader.index.clone();
    change(&mut index);
    let mut bad = file[..reader.foot.index_offset as usize].to_vec();
    let bytes = index.to_bytes();
    let mut foot = reader.foot;
    foot.index_bytes = bytes.len() as u64;
    foot.index_sum = index_sum(&reader.head, foot.index_offset, &foot.subtree, &bytes);
    bad.extend(bytes);
    foot.file = [0; 32];
    let unsealed = foot.to_bytes();
    let sealed = [&bad[..], &unsealed[..unsealed.len() - 40]].concat();
    foot.file = *blake3::hash(&sealed).as_bytes();
    bad.extend(foot.to_bytes());
    bad
}

#[test]
fn a9_a_bomb_in_a_stone_with_true_checksums_is_refused_at_the_cap() {
    let (file, hash) = stone(0, 0, &[]);
    let reader = StoneReader::open(&file[..]).unwrap();
    let raw = reader.index.blocks[0].raw_bytes;
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let sum = block_sum(&reader.head.name, 0, Method::Zstd, raw, &bomb);
    let grown = with_index(&file, |index| {
        index.blocks[0] =
            index::Block { method: Method::Zstd, raw_bytes: raw, packed_bytes: bomb.len() as u32, sum };
    });
    let mut bad = grown[..HEADER_BYTES].to_vec();
    bad.extend(&bomb);
    let offset = bad.len() as u64;
    let old = reader.foot.index_offset as usize;
    let index = &grown[old..grown.len() - FOOTER_BYTES];
    let mut foot = reader.foot;
    (foot.index_offset, foot.index_bytes) = (offset, index.len() as u64);
    foot.index_sum = index_sum(&reader.head, offset, &foot.subtree, index);
    bad.extend(index);
    bad.extend(foot.to_bytes());
    let reader = StoneReader::open(&bad[..]).unwrap();
    let refused = Reject::Stone { offset: HEADER_BYTES as u64, what: "compressed bytes" };
    assert_eq!(reader.read(0), Err(refused));
    assert!(reader.verify(&hash).is_err());
}

#[test]
fn a10_lying_lengths_in_the_index_are_refused() {
    let (file, _) = stone(0, 1, &[]);
    for size in [0, 1, 1 << 24, u32::MAX] {
        let lies = [
            with_index(&file, |index| index.blocks[0].raw_bytes = size),
            with_index(&file, |index| index.blocks[0].packed_bytes = size),
            with_index(&file, |index| set_place(index, |place| place.bytes = size)),
            with_index(&file, |index| set_place(index, |place| place.start = size)),
            with_index(&file, |index| set_place(index, |place| place.block = size)),
        ];
        for (number, lie) in lies.iter().enumerate() {
            if size < 2 && number == 4 {
                continue;
            }
            if size == 0 && number == 3 {
                continue;
            }
            assert!(StoneReader::open(&lie[..]).is_err(), "{number} {size}");
        }
    }
}

fn set_place(index: &mut Index, change: impl FnOnce(&mut index::Place)) {
    change(index.items[0].place.as_mut().unwrap());
}

proptest! {
    #[test]
    fn a8_hostile_files_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(StoneReader::open(&bytes[..]).is_err());
    }
}

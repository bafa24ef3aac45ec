use super::index::{Block, Item, Place};
use super::*;
use crate::limits::BLOCK_BYTES_TARGET;
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
        assert_eq!(stored.id(), Some(all[place as usize].id()));
        match stored {
            Stored::Faded(id) => assert!(id == all[10].id() || id == all[13].id()),
            Stored::Body(waypoint) if place == 9 => assert!(!waypoint.is_whole()),
            Stored::Body(waypoint) => assert_eq!(waypoint, all[place as usize]),
            Stored::Gone(_) => panic!("nothing is gone"),
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

/// The waypoints of a feed, of which those in `spans` are gone.
fn forgotten(feed: FeedName, n: u64, spans: &[Span]) -> Vec<Stored> {
    let all = waypoints(feed, n);
    let log = crate::samples::log_over(&all);
    let (mut stored, mut place) = (Vec::new(), 0);
    while place < n {
        let Some(span) = spans.iter().find(|span| span.start == place) else {
            stored.push(Stored::Body(all[place as usize].clone()));
            place += 1;
            continue;
        };
        let hash = log.subtree(span.level, span.start >> span.level).unwrap();
        stored.push(Stored::Gone(Gone { level: span.level, hash }));
        place = span.end();
    }
    stored
}

#[test]
fn subtrees_that_are_gone_lie_among_bodies() {
    let feed = feed(1, "p", 1);
    let span = |start, level| Span { start, level };
    for spans in
        [vec![span(0, 4)], vec![span(4, 2), span(10, 1)], vec![span(0, 0), span(8, 3)], vec![span(15, 0)]]
    {
        let all = forgotten(feed, 16, &spans);
        let name = StoneName { feed, span: span(0, 4) };
        let file = write_stone(&name, &all).unwrap();
        let reader = StoneReader::open(&file[..]).unwrap();
        let whole = crate::samples::log_over(&waypoints(feed, 16)).root();
        assert_eq!(reader.hash(), whole);
        reader.verify(&whole).unwrap();
        assert_eq!(reader.read_all().collect::<Result<Vec<_>, _>>().unwrap(), all);
        let mut place = 0;
        for stored in &all {
            for at in place..place + stored.count() {
                assert_eq!(reader.read(at).as_ref(), Ok(stored), "{at} of {spans:?}");
            }
            place += stored.count();
        }
        let upper = waypoints(feed, 32)[16..].iter().cloned().map(Stored::Body).collect::<Vec<_>>();
        let upper = write_stone(&StoneName { feed, span: span(16, 4) }, &upper).unwrap();
        let both = merged(&[file.clone(), upper], 5).unwrap();
        let both = StoneReader::open(&both[..]).unwrap();
        both.verify(&crate::samples::log_over(&waypoints(feed, 32)).root()).unwrap();
        assert_eq!(both.read_all().take(all.len()).collect::<Result<Vec<_>, _>>().unwrap(), all);
        assert_eq!(both.ids().count(), 16 + all.iter().filter(|stored| stored.id().is_some()).count());
    }
}

#[test]
fn a_subtree_that_is_gone_fits_only_its_own_place() {
    let feed = feed(1, "p", 1);
    let gone = forgotten(feed, 8, &[Span { start: 4, level: 2 }]);
    let name = StoneName { feed, span: Span { start: 0, level: 3 } };
    assert!(write_stone(&name, &[&gone[3..], &gone[..3]].concat()).is_err());
    assert!(write_stone(&name, &gone[..4]).is_err());
    let file = write_stone(&name, &gone).unwrap();
    for level in [0, 1, 3, 9, 200] {
        let lie = with_index(&file, |index| {
            let Some(Item::Gone(gone)) = index.items.last_mut() else { panic!("the last is gone") };
            gone.level = level;
        });
        assert!(StoneReader::open(&lie[..]).is_err(), "{level}");
    }
}

/// The parts of stones, taken over into one.
fn merged(parts: &[Vec<u8>], level: u8) -> Result<Vec<u8>, Reject> {
    let name = StoneReader::open(&parts[0][..])?.name().feed;
    let (mut writer, mut file) = StoneWriter::new(StoneName { feed: name, span: Span { start: 0, level } })?;
    for part in parts {
        let reader = StoneReader::open(&part[..])?;
        for number in 0..reader.parts() {
            file.extend(writer.take(&reader, number)?);
        }
    }
    file.extend(writer.finish()?.0);
    Ok(file)
}

#[test]
fn stones_that_are_taken_over_give_back_the_same() {
    let feed = feed(1, "p", 1);
    let text = |bytes: u32| -> Vec<u8> { (0..bytes / 4).flat_map(|n| n.to_le_bytes()).collect() };
    for sizes in [[10, 10, 10, 10], [90_000, 10, 90_000, 10], [10, 90_000, 90_000, 90_000], [1; 4]] {
        let mut all: Vec<Stored> = (1..=8)
            .map(|seq| {
                Stored::Body(crate::samples::waypoint(feed, seq, &text(sizes[(seq / 2) as usize % 4])))
            })
            .collect();
        for faded in [0, 3, 4, 5] {
            all[faded] = Stored::Faded(all[faded].id().unwrap());
        }
        let stone = |start: u64, level| {
            let name = StoneName { feed, span: Span { start, level } };
            write_stone(&name, &all[start as usize..(start + name.span.count()) as usize]).unwrap()
        };
        let whole = StoneReader::open(&stone(0, 3)[..]).unwrap().hash();
        let parts = [stone(0, 2), stone(4, 1), stone(6, 0), stone(7, 0)];
        let file = merged(&parts, 3).unwrap();
        let reader = StoneReader::open(&file[..]).unwrap();
        reader.verify(&whole).unwrap();
        assert_eq!(reader.read_all().collect::<Result<Vec<_>, _>>().unwrap(), all);
        for (place, stored) in all.iter().enumerate() {
            assert_eq!(reader.read(place as u64).as_ref(), Ok(stored));
        }
        assert!(merged(&parts[1..], 3).is_err() && merged(&parts[..3], 3).is_err());
        assert!(merged(&[stone(0, 2), stone(6, 0)], 3).is_err());
    }
}

#[test]
fn many_small_blocks_become_few_and_full_ones_stay_as_they_are() {
    let feed = feed(1, "p", 1);
    let body = |seq, bytes| {
        let noise = blake3::Hasher::new().update(&[seq as u8]).finalize_xof();
        let mut text = vec![0; bytes];
        { noise }.fill(&mut text);
        Stored::Body(crate::samples::waypoint(feed, seq, &text))
    };
    let stone = |seq: u64, bytes| {
        let name = StoneName { feed, span: Span { start: seq - 1, level: 0 } };
        write_stone(&name, &[body(seq, bytes)]).unwrap()
    };
    let blocks = |sizes: [usize; 4]| {
        let parts: Vec<_> = (1..).zip(sizes).map(|(seq, bytes)| stone(seq, bytes)).collect();
        StoneReader::open(&merged(&parts, 2).unwrap()[..]).unwrap().index.blocks.len()
    };
    let full = BLOCK_BYTES_TARGET;
    assert_eq!(blocks([100; 4]), 1);
    assert_eq!(blocks([full; 4]), 4);
    assert_eq!(blocks([100, full, full, full]), 3);
    let parts = [stone(1, full), stone(2, full)];
    let file = merged(&parts, 1).unwrap();
    for part in parts {
        let end = StoneReader::open(&part[..]).unwrap().foot.index_offset as usize;
        let block = &part[HEADER_BYTES..end];
        assert!(file.windows(block.len()).any(|window| window == block));
    }
}

#[test]
fn a8_a_damaged_block_is_not_taken_over() {
    let full: Vec<u8> = (0..BLOCK_BYTES_TARGET as u32).flat_map(|n| n.to_le_bytes()).collect();
    for text in [&full[..], b"small"] {
        let feed = feed(1, "p", 1);
        let stored = Stored::Body(crate::samples::waypoint(feed, 1, text));
        let file = write_stone(&StoneName { feed, span: Span { start: 0, level: 0 } }, &[stored]).unwrap();
        assert!(merged(std::slice::from_ref(&file), 0).is_ok());
        let mut bad = file.clone();
        bad[HEADER_BYTES + 9] ^= 1;
        let refused = Reject::Stone { offset: HEADER_BYTES as u64, what: "checksum of a block" };
        assert_eq!(merged(&[bad], 0), Err(refused));
    }
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

/// An index as it stands in a file, true or not.
struct Listed {
    blocks: Vec<Block>,
    items: Vec<Item>,
}

/// Rewrites footer and index sums over a changed index, as a hostile maker of stones would.
fn with_index(file: &[u8], change: impl FnOnce(&mut Listed)) -> Vec<u8> {
    let reader = StoneReader::open(file).unwrap();
    let mut index = Listed { blocks: reader.index.blocks.clone(), items: reader.index.items().collect() };
    change(&mut index);
    let mut bad = file[..reader.foot.index_offset as usize].to_vec();
    let mut out = Writer::default();
    out.list(&index.blocks);
    out.list(&index.items);
    let bytes = out.into_bytes();
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
            Block { method: Method::Zstd, raw_bytes: raw, packed_bytes: bomb.len() as u32, sum };
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

fn set_place(index: &mut Listed, change: impl FnOnce(&mut Place)) {
    let Item::Body(_, place) = &mut index.items[0] else { panic!("the first has a body") };
    change(place);
}

proptest! {
    #[test]
    fn a8_hostile_files_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(StoneReader::open(&bytes[..]).is_err());
    }
}

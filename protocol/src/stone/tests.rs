use super::*;
use crate::samples::{feed, log_over, waypoints};
use proptest::prelude::*;

#[cfg(test)]
mod listed;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod summary;

/// Writes a stone in one of its layouts.
type Write = fn(&StoneName, &[Stored]) -> Vec<u8>;

fn packed(name: &StoneName, stored: &[Stored]) -> Vec<u8> {
    write_stone(name, stored).unwrap()
}

const LAYOUTS: [Write; 2] = [packed, listed::listed];

fn stone(write: Write, start: u64, level: u8, faded: &[usize]) -> (Vec<u8>, LogHash) {
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
    (write(&name, &stored), hash)
}

fn read_whole(file: &[u8], hash: &LogHash) -> Result<(), Reject> {
    StoneReader::open(file)?.verify(hash)
}

#[test]
fn a_stone_gives_back_what_was_put_in() {
    for write in LAYOUTS {
        gives_back(write);
    }
}

fn gives_back(write: Write) {
    let (file, hash) = stone(write, 8, 3, &[2, 5]);
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
        LAYOUTS.iter().for_each(|write| lie_among_bodies(write(&name, &all), &all));
    }
}

fn lie_among_bodies(file: Vec<u8>, all: &[Stored]) {
    let feed = feed(1, "p", 1);
    let span = |start, level| Span { start, level };
    let reader = StoneReader::open(&file[..]).unwrap();
    assert!(reader.has_gone());
    let whole = crate::samples::log_over(&waypoints(feed, 16)).root();
    assert_eq!(reader.hash(), whole);
    reader.verify(&whole).unwrap();
    assert_eq!(reader.read_all().collect::<Result<Vec<_>, _>>().unwrap(), all);
    let mut place = 0;
    for stored in all {
        for at in place..place + stored.count() {
            assert_eq!(reader.read(at).as_ref(), Ok(stored), "{at}");
        }
        place += stored.count();
    }
    let upper = waypoints(feed, 32)[16..].iter().cloned().map(Stored::Body).collect::<Vec<_>>();
    let upper = write_stone(&StoneName { feed, span: span(16, 4) }, &upper).unwrap();
    let both = merged(&[file.clone(), upper], 5).unwrap();
    let both = StoneReader::open(&both[..]).unwrap();
    both.verify(&crate::samples::log_over(&waypoints(feed, 32)).root()).unwrap();
    assert_eq!(both.read_all().take(all.len()).collect::<Result<Vec<_>, _>>().unwrap(), all);
    let ids = both.read_lean().filter_map(|stored| stored.unwrap().id()).count();
    assert_eq!(ids, 16 + all.iter().filter(|stored| stored.id().is_some()).count());
}

#[test]
fn a_subtree_that_is_gone_fits_only_its_own_place() {
    let feed = feed(1, "p", 1);
    let gone = forgotten(feed, 8, &[Span { start: 4, level: 2 }]);
    let name = StoneName { feed, span: Span { start: 0, level: 3 } };
    assert!(write_stone(&name, &[&gone[3..], &gone[..3]].concat()).is_err());
    assert!(write_stone(&name, &gone[..4]).is_err());
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
            LAYOUTS[start as usize % 3 % 2](&name, &all[start as usize..(start + name.span.count()) as usize])
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
    for write in LAYOUTS {
        every_flip_is_found(write);
    }
}

fn every_flip_is_found(write: Write) {
    let (file, hash) = stone(write, 2, 1, &[]);
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
    for write in LAYOUTS {
        damage_is_named(write);
    }
}

fn damage_is_named(write: Write) {
    let (file, _) = stone(write, 2, 1, &[]);
    let reader = StoneReader::open(&file[..]).unwrap();
    let (begins, end) = (reader.offset(0), reader.blocks()[0].packed_bytes as usize + HEADER_BYTES);
    assert_eq!(begins, HEADER_BYTES as u64);
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
    for write in LAYOUTS {
        no_part_fits(write);
    }
}

fn no_part_fits(write: Write) {
    let (one, _) = stone(write, 0, 1, &[]);
    let (two, hash) = stone(write, 2, 1, &[]);
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

proptest! {
    #[test]
    fn a8_hostile_files_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(StoneReader::open(&bytes[..]).is_err());
    }
}

//! Stones as older programs wrote them: waypoints as they are, one after the other.

use super::*;
use crate::limits::BLOCK_BYTES_TARGET;
use crate::packing::pack;
use crate::stone::index::{Block, Item, Place};
use crate::stone::writer::ending;

/// The file of a listed stone.
pub(super) fn listed(name: &StoneName, stored: &[Stored]) -> Vec<u8> {
    let head = Head { name: *name, layout: Layout::Listed };
    let (mut file, mut blocks, mut items, mut raw) = (head.to_bytes(), Vec::new(), Vec::new(), Vec::new());
    let mut peaks = crate::merkle::Peaks::default();
    for item in stored {
        let (level, hash) = item.node();
        assert!(peaks.append_subtree(level, hash));
        match item {
            Stored::Faded(id) => items.push(Item::Faded(*id)),
            Stored::Gone(gone) => items.push(Item::Gone(*gone)),
            Stored::Body(waypoint) => {
                let body = waypoint.to_bytes();
                let (block, start) = (blocks.len() as u32, raw.len() as u32);
                items.push(Item::Body(waypoint.id(), Place { block, start, bytes: body.len() as u32 }));
                raw.extend(body);
            }
        }
        if raw.len() >= BLOCK_BYTES_TARGET {
            end_block(name, &mut blocks, &mut raw, &mut file);
        }
    }
    if !raw.is_empty() {
        end_block(name, &mut blocks, &mut raw, &mut file);
    }
    let mut index = Writer::default();
    index.list(&blocks);
    index.list(&items);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file);
    let end = ending(&head, file.len() as u64, &index.into_bytes(), peaks.root(), hasher);
    [file, end].concat()
}

fn end_block(name: &StoneName, blocks: &mut Vec<Block>, raw: &mut Vec<u8>, file: &mut Vec<u8>) {
    let ((method, packed), raw_bytes) = (pack(raw), raw.len() as u32);
    let sum = block_sum(name, blocks.len() as u32, method, raw_bytes, &packed);
    blocks.push(Block { method, raw_bytes, packed_bytes: packed.len() as u32, sum });
    file.extend(packed);
    raw.clear();
}

#[test]
fn what_older_programs_wrote_is_read() {
    let all = waypoints(feed(1, "p", 1), 8);
    let golden: [(&[u8], usize); 2] = [
        (include_bytes!("../../../golden/stone.bin"), 4),
        (include_bytes!("../../../golden/stone_gone.bin"), 3),
    ];
    for (file, items) in golden {
        let reader = StoneReader::open(file).unwrap();
        assert_eq!(reader.head.layout, Layout::Listed);
        reader.verify(&reader.hash()).unwrap();
        assert_eq!((reader.read_all().count(), reader.read_lean().count()), (items, items));
    }
    let stored: Vec<_> = all.into_iter().map(Stored::Body).collect();
    let name = StoneName { feed: feed(1, "p", 1), span: Span { start: 0, level: 3 } };
    let (old, new) = (listed(&name, &stored), packed(&name, &stored));
    let (old, new) = (StoneReader::open(&old[..]).unwrap(), StoneReader::open(&new[..]).unwrap());
    assert_eq!(old.hash(), new.hash());
    let read = |stone: &StoneReader<&[u8]>| stone.read_lean().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(read(&old), read(&new));
}

#[test]
fn a_stone_of_large_waypoints_has_many_blocks() {
    let feed = feed(1, "p", 1);
    let text: Vec<u8> = (0..40_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let all: Vec<_> = (1..=4).map(|seq| Stored::Body(crate::samples::waypoint(feed, seq, &text))).collect();
    let file = listed(&StoneName { feed, span: Span { start: 0, level: 2 } }, &all);
    let reader = StoneReader::open(&file[..]).unwrap();
    assert_eq!(reader.index.blocks.len(), 4);
    assert_eq!(reader.read(2), Ok(all[2].clone()));
    reader.verify(&reader.hash()).unwrap();
}

#[test]
fn a_listed_subtree_that_is_gone_fits_only_its_own_place() {
    let gone = forgotten(feed(1, "p", 1), 8, &[Span { start: 4, level: 2 }]);
    let name = StoneName { feed: feed(1, "p", 1), span: Span { start: 0, level: 3 } };
    let file = listed(&name, &gone);
    for level in [0, 1, 3, 9, 200] {
        let lie = with_index(&file, |index| {
            let Some(Item::Gone(gone)) = index.items.last_mut() else { panic!("the last is gone") };
            gone.level = level;
        });
        assert!(StoneReader::open(&lie[..]).is_err(), "{level}");
    }
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
    let (file, hash) = stone(listed, 0, 0, &[]);
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
    let (file, _) = stone(listed, 0, 1, &[]);
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

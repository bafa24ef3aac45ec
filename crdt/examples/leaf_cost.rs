//! What a leaf costs: genesis, a thousand hunks at once and one by one, showing, editing.
//! Run with `cargo run --example leaf_cost`; figures are for people, nothing depends on them.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a clock is what this is about")]

use std::time::Instant;

use cairn_crdt::hunk::Hunk;
use cairn_crdt::id::LeafId;
use cairn_crdt::leaf::{Leaf, LeafError};

fn main() -> Result<(), LeafError> {
    let text: String =
        (0..420).map(|line| format!("    let value_{line} = compute({line}, {});\n", line * 7)).collect();
    let base = Leaf::genesis(LeafId([1; 32]), text.as_bytes());
    println!("leaf of {} bytes, {} tokens", text.len(), cairn_crdt::token::tokenize(text.as_bytes()).len());

    let mut writer = base.clone();
    let mut hunks: Vec<Hunk> = Vec::new();
    let start = Instant::now();
    let mut current = text.clone();
    for edit in 0..1000 {
        current = current.replacen(&format!("value_{} ", edit % 420), &format!("value_{} x", edit % 420), 1);
        let new = writer.edit(current.as_bytes());
        writer.apply(new.iter().cloned())?;
        hunks.extend(new);
    }
    println!("{} edits written one after the other: {:?}", hunks.len(), start.elapsed());

    let (mut leaf, start) = (base.clone(), Instant::now());
    leaf.apply(hunks.iter().take(1).cloned())?;
    println!("genesis and one hunk: {:?}", start.elapsed());
    let (mut leaf, start) = (base, Instant::now());
    leaf.apply(hunks.iter().cloned())?;
    println!("genesis and {} hunks at once: {:?}", hunks.len(), start.elapsed());
    let start = Instant::now();
    let shown = leaf.shown();
    println!("shown: {:?}, {} bytes, {} overlaps", start.elapsed(), shown.bytes.len(), shown.overlaps.len());
    let start = Instant::now();
    let last = leaf.edit(current.replacen("compute", "derive", 1).as_bytes());
    println!("one more edit ({} hunks): {:?}", last.len(), start.elapsed());
    Ok(())
}

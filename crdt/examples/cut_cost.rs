//! What cutting costs: the first cut of a language, which compiles its query, and that of each file given.
//! Run with `cargo run --release --example cut_cost FILE…`; figures are for people, nothing depends on them.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files and a clock")]

use std::time::Instant;

use cairn_crdt::languages::{codec_of, name_of};
use cairn_crdt::syntax::cut;

fn main() -> std::io::Result<()> {
    for codec in 2.. {
        let Some(name) = name_of(codec) else { break };
        let start = Instant::now();
        cut(codec, b"x");
        let first = start.elapsed();
        let start = Instant::now();
        cut(codec, b"x");
        println!("{name:<11} first cut {first:>9.1?}, next {:>9.1?}", start.elapsed());
    }
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let start = Instant::now();
        let (codec, cuts) = cut(codec_of(name.as_bytes()), &bytes);
        let took = start.elapsed();
        println!(
            "{took:>9.1?} for {} bytes, {} pieces by {}: {path}",
            bytes.len(),
            cuts.len(),
            name_of(codec).unwrap_or("lines")
        );
    }
    Ok(())
}

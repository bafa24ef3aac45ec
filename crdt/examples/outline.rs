//! Prints the pieces that files are cut into: `cargo run --example outline FILE…`.
#![allow(clippy::disallowed_methods, reason = "it reads real files")]

use std::path::Path;

use cairn_crdt::languages::codec_of;
use cairn_crdt::op::NodeKind;
use cairn_crdt::syntax::cut;

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let name =
            Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (codec, cuts) = cut(codec_of(name.as_bytes()), &bytes);
        println!("{path}: codec {codec}");
        for cut in cuts {
            let lines =
                bytes[cut.start as usize..cut.end as usize].iter().filter(|byte| **byte == b'\n').count();
            let word = if let NodeKind::Item(word) = &cut.kind { word } else { "-" };
            println!(
                "{}{word} {} ({lines})",
                "  ".repeat(usize::from(cut.depth) + 1),
                String::from_utf8_lossy(&cut.name)
            );
        }
    }
    Ok(())
}

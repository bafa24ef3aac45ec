//! What happened, one line an event. Two runs of one seed must leave the same trace; its hash
//! is printed with the seed.

/// The record of a run.
#[derive(Debug)]
pub struct Trace {
    hasher: blake3::Hasher,
    /// How many lines there are.
    pub lines: u64,
    echo: bool,
}

impl Trace {
    /// An empty trace; with `echo`, each line is also printed to stderr.
    pub fn new(echo: bool) -> Self {
        Self { hasher: blake3::Hasher::new(), lines: 0, echo }
    }

    /// Adds one line.
    pub fn line(&mut self, now_ms: u64, text: &str) {
        self.lines += 1;
        self.hasher.update(&now_ms.to_le_bytes());
        self.hasher.update(text.as_bytes());
        self.hasher.update(b"\n");
        if self.echo {
            eprintln!("{now_ms} {text}");
        }
    }

    /// The hash over all lines.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

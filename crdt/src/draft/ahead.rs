//! A text that was read before its draft is written.
//!
//! To read a text by its grammar is most of the work of a draft, and needs nothing but the text. Whoever has many
//! drafts to write one after the other can have the next texts read meanwhile, elsewhere.

use std::sync::Arc;

use crate::draft::align::Alignment;
use crate::languages::{codec_of, has_grammar};
use crate::syntax::{Before, Made, is_text, read};

/// A text and what a grammar makes of it.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// The codec that was asked for.
    codec: u16,
    text: Arc<[u8]>,
    made: Made,
}

impl Ahead {
    /// Reads a text as a file of this name; faster if an older text of the file is at hand. `None` where no grammar is asked.
    pub fn of(name: &[u8], text: &Arc<[u8]>, older: Option<&Ahead>) -> Option<Self> {
        let codec = codec_of(name);
        if !has_grammar(codec) || !is_text(text) {
            return None;
        }
        let older = older.filter(|older| older.codec == codec);
        let changed = older.map(|older| Alignment::of(&older.text, text).changed()).unwrap_or_default();
        let before = older.and_then(|older| {
            Some(Before { tree: older.made.tree.clone()?, text: &older.text, changed: &changed })
        });
        Some(Self { codec, text: text.clone(), made: read(codec, text, before) })
    }

    /// The text.
    pub fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// What a codec makes of a text, if it is this one.
    pub(crate) fn made(&self, codec: u16, text: &[u8]) -> Option<&Made> {
        let same = self.codec == codec && (std::ptr::eq(&*self.text, text) || *self.text == *text);
        same.then_some(&self.made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::cut;

    #[test]
    fn what_is_read_ahead_is_cut_as_if_it_were_new() {
        let text = |body: &str| -> Arc<[u8]> {
            format!("fn a() {{\n    1\n}}\n\nfn b() {{\n    {body}\n}}\n").as_bytes().into()
        };
        let (old, new) = (text("2"), text("2\n}\n\nfn c() {\n    3"));
        let older = Ahead::of(b"a.rs", &old, None).unwrap();
        let ahead = Ahead::of(b"a.rs", &new, Some(&older)).unwrap();
        let codec = codec_of(b"a.rs");
        let made = ahead.made(codec, &new).unwrap();
        assert_eq!((made.codec, made.cuts.clone()), cut(codec, &new));
        assert!(ahead.made(codec, &old).is_none() && ahead.made(codec + 1, &new).is_none());
    }

    #[test]
    fn what_no_grammar_reads_is_not_read_ahead() {
        let text: Arc<[u8]> = b"a\0b".as_slice().into();
        assert!(Ahead::of(b"a.rs", &text, None).is_none());
        assert!(Ahead::of(b"notes.txt", &b"a\n".as_slice().into(), None).is_none());
    }
}

//! From an old text to a new one in few words.

//! The real binary: real processes, sockets and disks. One file a theme.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without is what it tests")]

mod harness;

mod artifacts;
mod bench;
mod bundles;
mod bytes;
mod crash;
mod damage;
mod fade;
mod git;
mod hostile;
mod large;
mod local;
mod merge_file;
mod model;
mod overlaps;
mod owner;
mod people;
mod policies;
mod rights;
mod runs;
mod states;
mod symbols;
mod sync;
mod transcripts;
mod watch;
mod words;
mod worktrees;

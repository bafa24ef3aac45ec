//! `bench chunks`: takes in a large file, and a second version of it in which one part in a hundred is another one.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::home::Home;
use super::noise;
use super::process::weighed;
use super::score::median;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::Instant;

/// Of the speed at which one thread reads and hashes the file.
const SPEED_SHARE_MIN: f64 = 0.5;
/// The most memory, in MB, whatever the size.
const PEAK_MB_MAX: f64 = 64.0;
/// What is stored and moved again when one part in a hundred has changed, in percent.
const AGAIN_PERCENT_MAX: f64 = 4.0;
/// In how many places it has.
const PLACES: u64 = 100;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How large the file is: 1G
    #[arg(long, default_value = "1G", value_parser = crate::args::bytes)]
    size: u64,
    /// How often it is taken in
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    noise::write(&stage.path("large"), args.size, 1)?;
    let runs = args.runs.max(1);
    let home = Home::new(stage.dir(), "home");
    let print = |figure: &str, unit, cairn, rival: Option<&str>, limit, runs| {
        let rival = rival.map(|name| (name.to_owned(), 1.0));
        Figure { bench: "chunks", figure: figure.to_owned(), unit, cairn, rival, limit, runs }
            .print(desk.json);
    };
    let (mut news, mut olds, mut peaks_mb) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let first = taken_in(&stage, &home)?;
        let (hash_ms, copy_ms) = (hashed(&stage)?, copied(&stage)?);
        let mut again = home.command(&["-C", "ours", "artifact", "add", &stage.word("large")])?;
        let (again, _) = weighed(&mut again)?;
        news.push((hash_ms / first.0, copy_ms / first.0));
        olds.push(hash_ms / again.ms);
        peaks_mb.push(first.1);
    }
    let (over_hash, over_copy): (Vec<f64>, Vec<f64>) = news.into_iter().unzip();
    let of = |shares: Vec<f64>| median(shares).ok_or_else(|| bug("nothing was measured"));
    let (read, copy) = (Some("read and BLAKE3"), Some("copy and fsync"));
    print("import, to the disk", "x", of(over_hash)?, read, Limit::AtLeast(SPEED_SHARE_MIN), runs);
    print("import, over a copy", "x", of(over_copy)?, copy, Limit::Nothing, runs);
    print("import of what is here", "x", of(olds)?, read, Limit::AtLeast(SPEED_SHARE_MIN), runs);
    let peak_mb = peaks_mb.into_iter().fold(0.0, f64::max);
    print("import, peak memory", "MB", peak_mb, None, Limit::AtMost(PEAK_MB_MAX), runs);
    let (stored, moved) = changed(&stage, &home, args.size)?;
    print("stored again, 1 % changed", "%", stored, None, Limit::AtMost(AGAIN_PERCENT_MAX), 1);
    print("moved again, 1 % changed", "%", moved, None, Limit::AtMost(AGAIN_PERCENT_MAX), 1);
    Ok(DONE)
}

/// Takes the file in with a home of its own; how long that took, in milliseconds, and the most memory, in MB.
fn taken_in(stage: &Stage, home: &Home) -> Result<(f64, f64), Failure> {
    for old in [home.path().to_owned(), stage.path("ours")] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    home.run(&["init", "ours", "--project", "@bench/chunks"])?;
    rustix::fs::sync();
    let (ran, peak_mb) =
        weighed(&mut home.command(&["-C", "ours", "artifact", "add", &stage.word("large")])?)?;
    Ok((ran.ms, peak_mb))
}

fn hashed(stage: &Stage) -> Result<f64, Failure> {
    let begun = Instant::now();
    cairn_node::measure::hash_file(&stage.path("large"))?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

fn copied(stage: &Stage) -> Result<f64, Failure> {
    rustix::fs::sync();
    let begun = Instant::now();
    let mut copy = fs::File::create(stage.path("copy"))?;
    std::io::copy(&mut fs::File::open(stage.path("large"))?, &mut copy)?;
    copy.sync_all()?;
    let took_ms = begun.elapsed().as_secs_f64() * 1000.0;
    fs::remove_file(stage.path("copy"))?;
    Ok(took_ms)
}

/// Changes one part in a hundred; what of the file is stored again, and moves again, in percent.
fn changed(stage: &Stage, home: &Home, size: u64) -> Result<(f64, f64), Failure> {
    let serving = home.serve()?;
    let invite = home.invite("ours", 1)?;
    let guest = Home::new(stage.dir(), "guest");
    guest.run(&["join", &invite, "theirs"])?;
    guest.run(&["-C", "theirs", "artifact", "fetch", "large"])?;
    let mut dice = Dice::new(size);
    let mut file = fs::OpenOptions::new().write(true).open(stage.path("large"))?;
    let mut step = vec![0; usize::try_from(size / 100 / PLACES).unwrap_or_default()];
    for place in 0..PLACES {
        noise::fill(&mut dice, &mut step);
        file.seek(SeekFrom::Start(size / PLACES * place + dice.roll() % (size / PLACES / 2)))?;
        file.write_all(&step)?;
    }
    file.sync_all()?;
    let (added, _) =
        home.ask(&["-C", "ours", "artifact", "add", &stage.word("large"), "--name", "changed"])?;
    guest.run(&["-C", "theirs", "put", "--known"])?;
    let (fetched, _) = guest.ask(&["-C", "theirs", "artifact", "fetch", "changed"])?;
    drop(serving);
    let percent = |bytes: &serde_json::Value| bytes.as_f64().map(|bytes| bytes / size as f64 * 100.0);
    percent(&added["stored_bytes"])
        .zip(percent(&fetched["moved_bytes"]))
        .ok_or_else(|| bug(&format!("no numbers: {added} {fetched}")))
}

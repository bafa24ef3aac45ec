//! `bench live`: how soon a save on one machine lies on the disk of the other, with `watch` on both.
//!
//! Each of two homes is served and has a worktree that is watched. Files are saved in turn in one worktree, and the same
//! file of the other one is looked at until it holds those bytes. With `--both`, every second file is saved on the other
//! side.

use super::figure::{Figure, Limit};
use super::home::{Home, Running};
use super::score::{median, percentile};
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long half of all saves may take, in milliseconds.
const P50_MS_MAX: f64 = 100.0;
/// How long all but one in a hundred may take.
const P99_MS_MAX: f64 = 500.0;
/// How many times as long the last tenth may take as the first.
const DRIFT_MAX: f64 = 1.2;
/// How many files are saved in turn.
const FILES: usize = 16;
/// How many functions each has.
const FUNCTIONS: usize = 40;
/// How often is looked for what has not arrived.
const LOOK: Duration = Duration::from_millis(1);
/// How long the last saves are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how many seconds files are saved
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many saves a second
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rate: u64,
    /// Save on both sides in turn, not on one alone
    #[arg(long)]
    both: bool,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let (mut sides, _running) = Sides::begin(&stage, args.both)?;
    // What is done once, such as the first waypoint of a device, is over when these have arrived.
    sides.save_all(2 * FILES as u64, 4)?;
    let saves = args.seconds.max(1) * args.rate;
    let took_ms = sides.save_all(saves, args.rate)?;
    let arrived: Vec<f64> = took_ms.iter().flatten().copied().collect();
    if !desk.json {
        let whose = if args.both { "half on each side" } else { "on one side" };
        output::line(&format!("{saves} saves, {} a second, in {FILES} files, {whose}", args.rate));
    }
    for figure in figures(&took_ms, &arrived)? {
        figure.print(desk.json);
    }
    Ok(DONE)
}

fn figures(took_ms: &[Option<f64>], arrived: &[f64]) -> Result<[Figure; 4], Failure> {
    let tenth = arrived.len().div_ceil(10);
    let of = |part: &[f64]| median(part.to_vec()).ok_or_else(|| bug("nothing arrived"));
    let first = of(arrived.get(..tenth).unwrap_or_default())?;
    let last = of(arrived.get(arrived.len() - tenth..).unwrap_or_default())?;
    let share = |share| percentile(arrived.to_vec(), share).ok_or_else(|| bug("nothing arrived"));
    let figure = |name: &str, unit, cairn, limit, runs| Figure {
        bench: "live",
        figure: name.to_owned(),
        unit,
        cairn,
        rival: None,
        limit: Limit::AtMost(limit),
        runs,
    };
    let missed = (took_ms.len() - arrived.len()) as f64;
    Ok([
        figure("save to other disk, median", "ms", share(0.5)?, P50_MS_MAX, arrived.len()),
        figure("save to other disk, p99", "ms", share(0.99)?, P99_MS_MAX, arrived.len()),
        figure("last tenth over first", "x", last / first, DRIFT_MAX, tenth),
        figure("saves that did not arrive", "", missed, 0.0, took_ms.len()),
    ])
}

/// A save that has not arrived.
struct Save {
    number: usize,
    text: String,
    at: Instant,
}

/// Two worktrees, and what is on its way between them.
struct Sides {
    trees: [PathBuf; 2],
    both: bool,
    /// What each function of each file says.
    said: Vec<[u64; FUNCTIONS]>,
    saved: u64,
    open: Vec<VecDeque<Save>>,
}

impl Sides {
    /// Founds a repo in one home, lets the other join, serves and watches both.
    fn begin(stage: &Stage, both: bool) -> Result<(Self, Vec<Running>), Failure> {
        let (one, two) = (Home::new(stage.dir(), "home"), Home::new(stage.dir(), "guest"));
        let sides = Self {
            trees: [stage.path("one"), stage.path("two")],
            both,
            said: vec![[0; FUNCTIONS]; FILES],
            saved: 0,
            open: (0..FILES).map(|_| VecDeque::new()).collect(),
        };
        one.run(&["init", "one", "--project", "@bench/live"])?;
        for file in 0..FILES {
            fs::write(sides.path(0, file), sides.text(file))?;
        }
        one.run(&["-C", "one", "post", "-m", "what is edited"])?;
        let serve = one.serve()?;
        two.run(&["join", &one.invite("one", 1)?, "two"])?;
        let address = serve.ready["listen"][0].as_str().ok_or_else(|| bug("no address"))?.to_owned();
        let guest = two.start(&["serve", "--listen", "/ip4/127.0.0.1/tcp/0", "--peer", &address])?;
        let watches = [one.start(&["-C", "one", "watch"])?, two.start(&["-C", "two", "watch"])?];
        Ok((sides, watches.into_iter().chain([serve, guest]).collect()))
    }

    /// Where a file is saved.
    fn side(&self, file: usize) -> usize {
        if self.both { file % 2 } else { 0 }
    }

    fn path(&self, side: usize, file: usize) -> PathBuf {
        let tree = if side == 0 { &self.trees[0] } else { &self.trees[1] };
        tree.join(format!("part{file}.rs"))
    }

    fn text(&self, file: usize) -> String {
        let mut text = format!("//! Part {file}.\n");
        for (function, said) in self.said.get(file).into_iter().flatten().enumerate() {
            let body = format!("    let said = {said};\n    said + {function}\n");
            let _ = write!(
                text,
                "\n/// What function {function} does.\nfn work_{function}() -> u64 {{\n{body}}}\n"
            );
        }
        text
    }

    /// Saves so many times, and waits for what has not arrived; how long each took, in milliseconds, if it came at all.
    fn save_all(&mut self, saves: u64, rate: u64) -> Result<Vec<Option<f64>>, Failure> {
        let (mut took_ms, begun) = (Vec::new(), Instant::now());
        let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
        let mut next = begun;
        let end = begun + pause * u32::try_from(saves).unwrap_or(u32::MAX) + PATIENCE;
        while took_ms.len() < saves as usize || self.open.iter().any(|open| !open.is_empty()) {
            let now = Instant::now();
            if now > end {
                break;
            }
            if now >= next && took_ms.len() < saves as usize {
                self.save(took_ms.len())?;
                took_ms.push(None);
                next += pause;
            }
            self.arrive(&mut took_ms);
            std::thread::sleep(LOOK);
        }
        self.open.iter_mut().for_each(VecDeque::clear);
        Ok(took_ms)
    }

    /// Changes one function of the file whose turn it is.
    fn save(&mut self, number: usize) -> Result<(), Failure> {
        let file = self.saved as usize % FILES;
        let function = self.saved as usize / FILES % FUNCTIONS;
        self.saved += 1;
        let said = self.said.get_mut(file).and_then(|said| said.get_mut(function));
        *said.ok_or_else(|| bug("no such function"))? = self.saved;
        let text = self.text(file);
        let at = Instant::now();
        fs::write(self.path(self.side(file), file), &text)?;
        if let Some(open) = self.open.get_mut(file) {
            open.push_back(Save { number, text, at });
        }
        Ok(())
    }

    /// Takes out of what is open what lies on the other side by now; what a later save has overtaken came with that.
    fn arrive(&mut self, took_ms: &mut [Option<f64>]) {
        for file in 0..FILES {
            let path = self.path(1 - self.side(file), file);
            let Some(open) = self.open.get_mut(file).filter(|open| !open.is_empty()) else { continue };
            // A file that is being replaced is looked at again.
            let Ok(shown) = fs::read(path) else { continue };
            let Some(newest) = open.iter().rposition(|save| save.text.as_bytes() == shown) else { continue };
            for save in open.drain(..=newest) {
                if let Some(took) = took_ms.get_mut(save.number) {
                    *took = Some(save.at.elapsed().as_secs_f64() * 1000.0);
                }
            }
        }
    }
}

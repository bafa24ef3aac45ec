//! `bench merge`: how good merges are, where it is known what they should be.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::keep::Keep;
use super::releases::{Pair, folders, pairs};
use super::rivals::Merger;
use super::score::{Class, Score, median, share};
use super::split::{Case, Change, Kind};
use super::stage::Stage;
use crate::desk::Desk;
use crate::error::{DONE, Failure, NOT_FOUND};
use crate::output;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most cases that are made of one file.
const CASES_PER_FILE: usize = 3;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders with releases of packages, as NAME-1.2.3 or NAME/1.2.3; by default, what cargo has unpacked
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// How many cases that git merges by itself, and how many that it does not
    #[arg(long, default_value_t = 400)]
    cases: usize,
    /// What the dice begin with; the same seed deals the same cases
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave what merged badly in DIR, one folder a case
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Deals, merges, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let keep = args.keep.as_deref().map(|dir| Keep::new(desk.path(dir)));
    let mut run = Run { mergers: Merger::all()?, stage, keep, scores: Vec::new() };
    let mut dice = Dice::new(args.seed);
    let pairs = pairs(&folders(&args.dirs, desk), &mut dice);
    run.all(&pairs, args.cases, &mut dice)?;
    if run.scores.is_empty() {
        let message = "no file was found that two successive releases have and that changed";
        let hint = "name a folder with several releases of packages; the README says how to get some";
        return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, hint));
    }
    run.figures().iter().for_each(|figure| figure.print(desk.json));
    if !desk.json {
        run.tables();
    }
    Ok(DONE)
}

/// How many cases of a hundred are of a kind.
fn percent(class: Class, kind: Kind) -> usize {
    match (class, kind) {
        (Class::Clean, Kind::Far) => 45,
        (Class::Clean, Kind::Same | Kind::Three) => 18,
        (Class::Clean, Kind::Renamed) => 13,
        (Class::Clean, Kind::Moved) => 4,
        (Class::Clean, Kind::Adjacent | Kind::Insert) => 1,
        (Class::Clean, Kind::Words) => 0,
        (Class::Conflict, Kind::Adjacent) => 36,
        (Class::Conflict, Kind::Words) => 20,
        (Class::Conflict, Kind::Insert) => 14,
        (Class::Conflict, Kind::Moved) => 12,
        (Class::Conflict, Kind::Renamed) => 10,
        (Class::Conflict, Kind::Same) => 6,
        (Class::Conflict, Kind::Three) => 2,
        (Class::Conflict, Kind::Far) => 0,
    }
}

/// How many cases of each kind are still wanted.
struct Wanted(BTreeMap<(Class, Kind), (usize, usize)>);

impl Wanted {
    fn new(cases: usize) -> Self {
        let kinds = Class::ALL.iter().flat_map(|class| Kind::ALL.iter().map(|kind| (*class, *kind)));
        let number = |(class, kind)| (cases * percent(class, kind)).div_ceil(100);
        Self(kinds.map(|key| (key, (number(key), number(key)))).filter(|(_, (all, _))| *all > 0).collect())
    }

    /// The kinds of which most are missing, in shares, come first.
    fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.0.iter().filter(|(_, (_, left))| *left > 0).collect();
        kinds.sort_by_key(|(_, (all, left))| std::cmp::Reverse(left * 1000 / all));
        let mut ordered = Vec::new();
        for ((_, kind), _) in kinds {
            if !ordered.contains(kind) {
                ordered.push(*kind);
            }
        }
        ordered
    }

    fn take(&mut self, class: Class, kind: Kind) -> bool {
        match self.0.get_mut(&(class, kind)) {
            Some((_, left)) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// What is measured, and with what.
struct Run {
    mergers: Vec<Merger>,
    stage: Stage,
    keep: Option<Keep>,
    scores: Vec<Score>,
}

impl Run {
    fn all(&mut self, pairs: &[Pair], cases: usize, dice: &mut Dice) -> Result<(), Failure> {
        let mut wanted = Wanted::new(cases);
        for pair in pairs {
            let kinds = wanted.kinds();
            if kinds.is_empty() {
                break;
            }
            let (Ok(old), Ok(new)) = (fs::read(&pair.old), fs::read(&pair.new)) else { continue };
            let Some(change) = Change::between(&old, &new) else { continue };
            let mut made = 0;
            for kind in kinds {
                if made < CASES_PER_FILE
                    && let Some(case) = change.deal(kind, dice)
                    && self.one(pair, &case, &mut wanted)?
                {
                    made += 1;
                }
            }
        }
        Ok(())
    }

    /// Measures one case, if it is still wanted.
    fn one(&mut self, pair: &Pair, case: &Case, wanted: &mut Wanted) -> Result<bool, Failure> {
        let class = match Merger::git_conflicts(&self.stage, &case.base, &case.sides)? {
            Some(true) => Class::Conflict,
            Some(false) => Class::Clean,
            None => return Ok(false),
        };
        if !wanted.take(class, case.kind) {
            return Ok(false);
        }
        let name = pair.new.file_name().map_or(Path::new("file"), Path::new);
        for (at, merger) in self.mergers.iter().enumerate() {
            let outcome = merger.merge(&self.stage, name, &case.base, &case.sides)?;
            let score = Score::of(at, class, name, case, &outcome);
            if at == 0
                && score.is_poor()
                && let Some(keep) = &mut self.keep
            {
                keep.case(pair, case, class, &outcome)?;
            }
            self.scores.push(score);
        }
        Ok(true)
    }

    fn of(&self, merger: usize, holds: impl Fn(&Score) -> bool) -> Vec<&Score> {
        self.scores.iter().filter(|score| score.merger == merger && holds(score)).collect()
    }

    /// All figures that have a limit: one for each rival, or one by itself.
    fn figures(&self) -> Vec<Figure> {
        let rivals: Vec<Option<usize>> = match self.mergers.len() {
            0 | 1 => vec![None],
            mergers => (1..mergers).map(Some).collect(),
        };
        let mut figures = Vec::new();
        for rival in rivals {
            figures.extend(MEASURES.iter().filter_map(|measure| self.figure(measure, rival)));
            figures.extend(self.times(rival));
        }
        figures
    }

    fn figure(&self, measure: &Measure, rival: Option<usize>) -> Option<Figure> {
        let fits = |score: &Score| measure.class.is_none_or(|class| class == score.class);
        let ours = self.of(0, fits);
        let asked: Vec<&Score> = ours.iter().copied().filter(|score| (measure.asks)(score)).collect();
        let theirs = |rival| {
            let scores: Vec<_> =
                self.of(rival, fits).into_iter().filter(|score| (measure.asks)(score)).collect();
            share(&scores, measure.holds)
        };
        let class = measure.class.map_or("all", Class::word);
        Some(Figure {
            bench: "merge",
            figure: format!("{class} {}", measure.name),
            unit: "%",
            cairn: share(&asked, measure.holds)?,
            rival: rival.and_then(|rival| Some((self.mergers.get(rival)?.name.clone(), theirs(rival)?))),
            limit: measure.limit,
            runs: asked.len(),
        })
    }

    /// How long processes ran, against the structured merger's.
    fn times(&self, rival: Option<usize>) -> Vec<Figure> {
        let of =
            |merger| self.of(merger, |_| true).into_iter().filter_map(|score| score.ms).collect::<Vec<_>>();
        let ours = of(0);
        let slowest = ours.iter().copied().fold(0.0, f64::max);
        let figure = |figure: &str, cairn, rival, limit| Figure {
            bench: "merge",
            figure: figure.to_owned(),
            unit: "ms",
            cairn,
            rival,
            limit: Limit::AtMost(limit),
            runs: ours.len(),
        };
        let rival = rival.and_then(|rival| Some((self.mergers.get(rival)?, of(rival))));
        let named = |merger: &Merger, ms| (merger.name.clone(), ms);
        let other =
            rival.as_ref().map(|(merger, times)| named(merger, times.iter().copied().fold(0.0, f64::max)));
        let mut figures = vec![figure("slowest process", slowest, other, 1000.0)];
        if let Some((merger, times)) = rival.filter(|(merger, _)| merger.is_structured())
            && let (Some(cairn), Some(theirs)) = (median(ours.clone()), median(times))
        {
            figures.push(figure("median process", cairn, Some(named(merger, theirs)), theirs / 2.0));
        }
        figures
    }

    /// All shares, by class and by kind, for people.
    fn tables(&self) {
        for class in Class::ALL {
            let kinds = Kind::ALL.iter().map(|kind| (kind.word(), Some(*kind)));
            for (word, kind) in std::iter::once(("all", None)).chain(kinds) {
                self.table(class, word, kind);
            }
        }
    }

    fn table(&self, class: Class, word: &str, kind: Option<Kind>) {
        let fits = |score: &Score| score.class == class && kind.is_none_or(|kind| kind == score.kind);
        let runs = self.of(0, fits).len();
        if runs == 0 {
            return;
        }
        output::line(&format!("\n{} / {word}: {runs} cases", class.word()));
        output::line(&format!("{:18} {}", "", HEADS.map(|head| format!("{head:>8}")).concat()));
        for (at, merger) in self.mergers.iter().enumerate() {
            let scores = self.of(at, fits);
            output::line(&format!("  {:16} {}", merger.name, row(&scores)));
        }
    }
}

/// The heads of the tables' columns.
const HEADS: [&str; 9] = ["exact", "equal", "parses", "swapped", "silent", "alarm", "markers", "told", "ms"];

fn row(scores: &[&Score]) -> String {
    let readable: Vec<&Score> = scores.iter().copied().filter(|score| score.parses.is_some()).collect();
    let shares = [
        share(scores, |score| score.exact),
        share(scores, |score| score.equal),
        share(&readable, |score| score.parses == Some(true)),
        share(scores, |score| score.swapped),
        share(scores, Score::silently_wrong),
        share(scores, Score::false_alarm),
        share(scores, |score| score.marked),
        share(scores, |score| score.told),
        median(scores.iter().filter_map(|score| score.ms).collect()),
    ];
    shares.map(|share| share.map_or(format!("{:>8}", "-"), |share| format!("{share:8.1}"))).concat()
}

/// A share that has a limit.
struct Measure {
    name: &'static str,
    /// Of which cases.
    class: Option<Class>,
    /// Of which of these a question can be asked.
    asks: fn(&Score) -> bool,
    /// The question.
    holds: fn(&Score) -> bool,
    limit: Limit,
}

/// What the README promises of merges.
const MEASURES: [Measure; 9] = [
    Measure::new("exact but white space", Some(Class::Clean), |score| score.equal, Limit::AtLeast(95.0)),
    Measure::new("exact but white space", Some(Class::Conflict), |score| score.equal, Limit::AtLeast(40.0)),
    Measure::new("silent wrong", Some(Class::Clean), Score::silently_wrong, Limit::AtMost(3.0)),
    Measure::new("silent wrong", Some(Class::Conflict), Score::silently_wrong, Limit::AtMost(8.0)),
    Measure::new("false alarm", Some(Class::Clean), Score::false_alarm, Limit::AtMost(15.0)),
    Measure {
        asks: |score| score.parses.is_some(),
        ..Measure::new("parses", None, |score| score.parses == Some(true), Limit::AtLeast(99.0))
    },
    Measure {
        asks: |score| score.sound,
        ..Measure::new(
            "parses where the sides do",
            None,
            |score| score.parses == Some(true),
            Limit::AtLeast(99.0),
        )
    },
    Measure::new("same when swapped", None, |score| score.swapped, Limit::AtLeast(100.0)),
    Measure::new("markers", None, |score| score.marked, Limit::AtMost(0.0)),
];

impl Measure {
    const fn new(name: &'static str, class: Option<Class>, holds: fn(&Score) -> bool, limit: Limit) -> Self {
        Self { name, class, asks: |_| true, holds, limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_gets_its_share() {
        let mut wanted = Wanted::new(100);
        assert!(wanted.take(Class::Clean, Kind::Moved));
        assert!(!wanted.take(Class::Clean, Kind::Words));
        for _ in 0..20 {
            assert!(wanted.take(Class::Conflict, Kind::Words));
        }
        assert!(!wanted.take(Class::Conflict, Kind::Words));
        assert!(!wanted.kinds().contains(&Kind::Words) && wanted.kinds().contains(&Kind::Far));
        for class in Class::ALL {
            assert_eq!(Kind::ALL.iter().map(|kind| percent(class, *kind)).sum::<usize>(), 100);
        }
    }
}

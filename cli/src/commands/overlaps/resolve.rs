//! `overlaps resolve`: asks a program about each overlap, and posts its answers.
//!
//! The program decides while nothing is held: the home is free, others go on writing. Its answer counts
//! only if what it was asked about is still there.

use super::asked;
use crate::desk::Desk;
use crate::error::{DONE, Failure, LOOK};
use crate::output;
use cairn_node::verbs::overlaps::{Action, Overlap, Question, Settlement};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// The most bytes of a reason that are told.
const REASON_BYTES_MAX: usize = 2000;

/// The arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The program, as the shell runs it
    #[arg(long = "with", value_name = "CMD")]
    with: String,
    /// Their numbers in the list; all when left out
    #[arg(value_name = "N")]
    indexes: Vec<usize>,
}

/// What became of one overlap.
struct Decided {
    overlap: Overlap,
    /// The waypoint, or why there is none.
    outcome: Result<String, String>,
}

/// Asks the program about each, and posts what it says.
pub(super) fn run(args: &Args, desk: &Desk) -> Result<u8, Failure> {
    let asked_about = asked(desk, Action::Ask { indexes: args.indexes.clone() })?;
    let mut questions = asked_about.questions;
    // From the end of a file to its beginning: settling one moves no other that is still to come.
    questions.sort_by(|a, b| (&b.overlap.path, b.overlap.line).cmp(&(&a.overlap.path, a.overlap.line)));
    let mut decided = Vec::new();
    for question in &questions {
        let overlap = question.overlap.clone();
        let outcome = match decide(&args.with, question) {
            Ok(settlement) => settle(desk, &args.with, &overlap, settlement)?,
            Err(reason) => Err(reason),
        };
        decided.push(Decided { overlap, outcome });
    }
    decided.sort_by_key(|one| one.overlap.index);
    tell(desk, &decided)
}

/// Posts an answer. What was settled meanwhile, or cannot be settled so, is no failure of the whole.
fn settle(
    desk: &Desk,
    program: &str,
    overlap: &Overlap,
    settlement: Settlement,
) -> Result<Result<String, String>, Failure> {
    let symbol = overlap.symbol.iter().map(|symbol| format!("#{symbol}")).collect::<String>();
    let message = Some(format!("resolve {}{symbol} with {}", overlap.path, name(program)));
    match asked(desk, Action::Settle { overlap: Box::new(overlap.clone()), settlement, message }) {
        Ok(answer) => Ok(answer.waypoint.ok_or_else(|| "nothing was written".to_owned())),
        Err(failure) if matches!(failure.code.as_str(), "E_NOT_FOUND" | "E_USAGE") => {
            Ok(Err(failure.message))
        }
        Err(failure) => Err(failure),
    }
}

/// The program without its words, which may hold what is nobody's business.
fn name(program: &str) -> String {
    let first = program.split_whitespace().next().unwrap_or_default().trim_matches(['\'', '"']);
    Path::new(first).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs the program on one question; its answer, or why that is none.
fn decide(program: &str, question: &Question) -> Result<Settlement, String> {
    let asked = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("the program does not start: {error}"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let writer = std::thread::spawn(move || {
        // A program may answer without having read all that it is asked.
        let _ = input.map(|mut input| input.write_all(&asked).and_then(|()| input.write_all(b"\n")));
    });
    let mut said = Vec::new();
    let read = output.map(|output| output.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut said)).transpose();
    if read.is_err() || said.len() as u64 > ANSWER_BYTES_MAX {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("the program was lost: {error}"))?;
    let _ = writer.join();
    read.map_err(|error| format!("the answer cannot be read: {error}"))?;
    match () {
        () if said.len() as u64 > ANSWER_BYTES_MAX => Err("the answer is too long".to_owned()),
        () if !status.success() => Err(format!("the program ended with {status}")),
        () => answer(&said, question.overlap.alternatives.len()),
    }
}

/// What an answer says: exactly one of `text`, `take` and `refuse`.
fn answer(said: &[u8], alternatives: usize) -> Result<Settlement, String> {
    let malformed = || "the answer is not {\"text\": …}, {\"take\": n} or {\"refuse\": reason}".to_owned();
    let value: Value = serde_json::from_slice(said).map_err(|_| malformed())?;
    let object = value.as_object().filter(|object| object.len() == 1).ok_or_else(malformed)?;
    let (word, value) = object.iter().next().ok_or_else(malformed)?;
    match (word.as_str(), value) {
        ("text", Value::String(text)) => Ok(Settlement::Text(text.clone())),
        ("take", Value::Number(number)) => {
            let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
            let number = number.filter(|number| *number < alternatives);
            number.map(Settlement::Take).ok_or_else(|| "there is no such alternative".to_owned())
        }
        ("refuse", Value::String(reason)) => {
            Err(format!("refused: {}", reason.chars().take(REASON_BYTES_MAX).collect::<String>()))
        }
        _ => Err(malformed()),
    }
}

fn tell(desk: &Desk, decided: &[Decided]) -> Result<u8, Failure> {
    let one = |one: &Decided| {
        let Overlap { index, kind, path, line, symbol, .. } = &one.overlap;
        let (waypoint, reason) = (one.outcome.as_ref().ok(), one.outcome.as_ref().err());
        json!({ "index": index, "kind": kind, "path": path, "line": line, "symbol": symbol,
            "waypoint": waypoint, "reason": reason })
    };
    let (settled, refused): (Vec<_>, Vec<_>) = decided.iter().partition(|one| one.outcome.is_ok());
    if desk.json {
        let list = |of: &[&Decided]| of.iter().map(|decided| one(decided)).collect::<Vec<_>>();
        output::line(&json!({ "settled": list(&settled), "refused": list(&refused) }).to_string());
    } else {
        decided.iter().for_each(|one| output::line(&words(one)));
        if decided.is_empty() {
            output::line("no overlaps");
        }
    }
    Ok(if refused.is_empty() { DONE } else { LOOK })
}

fn words(decided: &Decided) -> String {
    let Overlap { index, path, line, symbol, .. } = &decided.overlap;
    let place = super::place(path, *line, symbol.as_deref());
    match &decided.outcome {
        Ok(waypoint) => format!("{index} {place}: settled by {}", output::short(waypoint)),
        Err(reason) => format!("{index} {place}: left as it is; {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_one_thing() {
        assert_eq!(answer(br#"{"text": "a"}"#, 2), Ok(Settlement::Text("a".into())));
        assert_eq!(answer(b"{\"take\":1}\n", 2), Ok(Settlement::Take(1)));
        assert_eq!(answer(br#"{"refuse": "unsure"}"#, 2), Err("refused: unsure".into()));
        let wrong: [&[u8]; 9] = [
            b"",
            b"x",
            b"{}",
            b"[1]",
            br#"{"take": 2}"#,
            br#"{"take": -1}"#,
            br#"{"text": 1}"#,
            br#"{"take": 0, "text": ""}"#,
            br#"{"refuse": null}"#,
        ];
        for said in wrong {
            assert!(answer(said, 2).is_err(), "{}", String::from_utf8_lossy(said));
        }
    }

    #[test]
    fn a_program_is_named_without_its_words() {
        assert_eq!(name("/opt/bin/decide --token secret"), "decide");
        assert_eq!(name("'/opt/bin/decide' 1"), "decide");
        assert_eq!(name(""), "");
    }
}

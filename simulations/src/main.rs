//! `cairn-simulations --seed S [--peers N] [--scenario NAME] [--json] [--trace]`: runs one story. Exit 0
//! when every invariant held, 1 with the violated one on the last line, 2 for words it does not know.

use std::process::ExitCode;

use cairn_simulations::{Outcome, Scenario, run};

struct Arguments {
    seed: u64,
    peers: usize,
    scenario: Scenario,
    json: bool,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            eprintln!("usage: cairn-simulations --seed S [--peers N] [--scenario NAME] [--json] [--trace]");
            return ExitCode::from(2);
        }
    };
    let outcome = run(arguments.scenario, arguments.seed, arguments.peers, arguments.trace);
    report(&arguments, &outcome);
    if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments =
        Arguments { seed: 0, peers: 4, scenario: Scenario::Default, json: false, trace: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seed" => arguments.seed = number(&value()?)?,
            "--peers" => arguments.peers = number(&value()?)? as usize,
            "--scenario" => {
                let name = value()?;
                arguments.scenario = Scenario::named(&name).ok_or(format!("no scenario {name}"))?;
            }
            "--json" => arguments.json = true,
            "--trace" => arguments.trace = true,
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn report(arguments: &Arguments, outcome: &Outcome) {
    let Outcome { violation, trace, lines, writes, caught, forks } = outcome;
    let (seed, name, peers) = (arguments.seed, arguments.scenario.name(), arguments.peers);
    if arguments.json {
        let text = violation.as_ref().map_or("null".to_owned(), |text| format!("\"{}\"", escaped(text)));
        println!(
            "{{\"seed\":{seed},\"scenario\":\"{name}\",\"peers\":{peers},\"events\":{lines},\"writes\":{writes},\
             \"caught\":{caught},\"forks\":{forks},\"trace\":\"{trace}\",\"violation\":{text}}}"
        );
    } else {
        println!(
            "seed {seed}, {name}, {peers} peers: {writes} writes, {lines} events, {caught} lies caught, {forks} forks told"
        );
        println!("trace {trace}");
        if let Some(text) = violation {
            println!("{text}");
        }
    }
}

/// Text inside a JSON string.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

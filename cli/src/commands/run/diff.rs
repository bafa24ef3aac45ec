//! Two runs side by side, in words.

use super::{plain, table};
use crate::output::{short, size};
use cairn_node::runs::compare::{Changed, Pair};
use cairn_node::runs::environment::Difference;
use cairn_node::runs::record::Item;
use cairn_node::verbs::run::Compared;
use std::fmt::Display;

/// All that differs, or that nothing does.
pub(in crate::commands) fn words(compared: &Compared) -> String {
    let mut text = changed("params", &compared.params) + &changed("metrics", &compared.metrics);
    if !compared.same_command {
        text += "the command differs\n";
    }
    text += &pairs("inputs", &compared.inputs);
    text += &pairs("outputs", &compared.outputs);
    text += &environment(&compared.environment);
    match &compared.code {
        None => text += "code: cannot be compared: one of the versions is not here any more\n",
        Some(code) if code.files.is_empty() => {}
        Some(code) => {
            text += "code\n";
            code.symbols.iter().for_each(|symbol| text += &crate::commands::diff::symbol(symbol));
            code.files.iter().for_each(|file| text += &crate::commands::diff::file(file));
        }
    }
    if text.is_empty() { "nothing differs\n".to_owned() } else { text }
}

/// Values by name: what they were, and what they are.
pub(in crate::commands) fn changed<T: Display>(what: &str, changed: &[Changed<T>]) -> String {
    let told = |value: &Option<T>| value.as_ref().map_or("-".to_owned(), |value| plain(&value.to_string()));
    let row =
        |one: &Changed<T>| [String::new(), plain(&one.name), told(&one.then), "→".to_owned(), told(&one.now)];
    titled(what, &changed.iter().map(row).collect::<Vec<_>>())
}

/// Facts of two environments.
pub(in crate::commands) fn environment(differences: &[Difference]) -> String {
    let told = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), plain);
    let row =
        |one: &Difference| [String::new(), plain(&one.what), told(&one.then), "→".to_owned(), told(&one.now)];
    titled("environment", &differences.iter().map(row).collect::<Vec<_>>())
}

fn pairs(what: &str, pairs: &[Pair]) -> String {
    let told = |item: &Option<Item>| match item {
        Some(item) => format!("{} ({})", short(&item.content), size(item.bytes)),
        None => "-".to_owned(),
    };
    let row = |pair: &Pair| {
        let shared = pair.shared.map(|share| format!(", {:.1} % in equal chunks", share * 100.0));
        let now = told(&pair.now) + &shared.unwrap_or_default();
        [String::new(), plain(&pair.path), told(&pair.then), "→".to_owned(), now]
    };
    titled(what, &pairs.iter().map(row).collect::<Vec<_>>())
}

fn titled(what: &str, rows: &[[String; 5]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines = table(rows);
    lines.lines().fold(format!("{what}\n"), |text, line| text + "  " + line.trim_start() + "\n")
}

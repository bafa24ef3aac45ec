//! How what two files say of themselves differs, in words.

use crate::output::count;
use cairn_node::headers::compare::{Change, Inside, What};
use cairn_node::headers::{Array, Form};
use std::fmt::Write as _;

/// A line for each change.
pub(super) fn told(inside: &Inside) -> String {
    let thing = if inside.form == Form::Csv { "column" } else { "array" };
    let mut text = String::new();
    for change in &inside.changes {
        let _ = writeln!(text, "{}", line(change));
    }
    if inside.left_out > 0 {
        let _ = writeln!(text, "and {} more", count(inside.left_out, "change"));
    }
    if let Some(rows) = inside.rows {
        let told = |rows: Option<u64>| rows.map_or("not counted".to_owned(), |rows| rows.to_string());
        let _ = writeln!(text, "rows: {} → {}", told(rows.then), told(rows.now));
    }
    for problem in &inside.problems {
        let artifact = problem.artifact.get(..12).unwrap_or(&problem.artifact);
        let _ =
            writeln!(text, "{artifact} is not read as {}: {}", inside.form.word(), plain(&problem.detail));
    }
    if inside.problems.is_empty() {
        let _ = writeln!(text, "{} as before, by name and form", count(inside.same, thing));
    }
    text
}

fn line(change: &Change) -> String {
    let words: Vec<_> = change.what.iter().map(|what| word(*what)).collect();
    let mut line = format!("{:<9} {}", words.join(", "), plain(&change.name));
    if let Some(from) = &change.from {
        line = format!("{:<9} {} → {}", words.join(", "), plain(from), plain(&change.name));
    }
    let sides = [change.then.as_ref().map(array), change.now.as_ref().map(array)];
    let sides: Vec<_> = sides.into_iter().flatten().collect();
    if !sides.is_empty() {
        let _ = write!(line, "  {}", sides.join(" → "));
    }
    line
}

fn word(what: What) -> &'static str {
    match what {
        What::Added => "added",
        What::Removed => "removed",
        What::Renamed => "renamed",
        What::Reshaped => "reshaped",
        What::Retyped => "retyped",
        What::Reordered => "reordered",
    }
}

fn array(array: &Array) -> String {
    let shape: Vec<_> = array.shape.iter().map(u64::to_string).collect();
    let order = array.order.as_deref().filter(|order| *order == "F").map_or("", |_| " by columns");
    format!("{}[{}]{order}", plain(&array.dtype), shape.join(", "))
}

/// What a file calls a thing must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

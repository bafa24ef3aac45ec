//! Files that look like code and compress like it: lines of words, made from a seed.

use super::dice::Dice;
use cairn_node::measure::Files;

/// How many different words there are.
const WORDS: usize = 3000;
/// How many words a line has at most.
const LINE_WORDS_MAX: usize = 12;

/// Files of some lines each, below a few folders.
pub(super) fn files(folder: &str, count: usize, lines: usize, dice: &mut Dice) -> Files {
    let file = |number: usize| {
        let path = format!("{folder}/d{}/f{number}.txt", number % 20);
        let text: String = (0..lines).map(|_| line(dice)).collect();
        (path.into_bytes(), text.into_bytes())
    };
    (0..count).map(file).collect()
}

/// A text in which one line is another one.
pub(super) fn edited(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let new = line(dice);
    let at = dice.below(lines.len());
    if let Some(line) = lines.get_mut(at) {
        *line = new.as_bytes();
    }
    lines.concat()
}

/// A line; common words are common.
fn line(dice: &mut Dice) -> String {
    let count = dice.within(2, LINE_WORDS_MAX + 1);
    let word = |dice: &mut Dice| {
        let end = dice.within(1, WORDS);
        word(dice.below(end))
    };
    let words: Vec<String> = (0..count).map(|_| word(dice)).collect();
    format!("{}\n", words.join(" "))
}

/// A word of one to five syllables that is its own number.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "lo", "mi", "re", "tu", "sen", "var", "pol", "ing", "es", "qua", "ti", "on", "dra", "fe", "bu",
    ];
    let (mut left, mut word) = (number + 1, String::new());
    while left > 0 {
        word.push_str(SYLLABLES.get(left % SYLLABLES.len()).copied().unwrap_or_default());
        left /= SYLLABLES.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_files_and_an_edit_changes_one_line() {
        let made = |seed| files("src", 30, 10, &mut Dice::new(seed));
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        let text = made(1).into_values().next().unwrap();
        let other = edited(&text, &mut Dice::new(9));
        let (old, new) = (String::from_utf8(text).unwrap(), String::from_utf8(other).unwrap());
        assert_eq!(old.lines().zip(new.lines()).filter(|(old, new)| old != new).count(), 1);
    }
}

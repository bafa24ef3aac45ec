//! The files that the story is about: small, and made so that each way in which edits can meet
//! happens exactly once.

/// The folder of the story, inside the imported project.
pub(super) const FOLDER: &str = "cairn-demo";

/// One file of the story.
pub(super) struct Text {
    /// Its path in the worktree.
    pub(super) path: &'static str,
    /// Its bytes.
    pub(super) text: &'static str,
}

/// Edited on all nodes: in one function, in different functions, in the same words.
pub(super) const GREET: Text = Text {
    path: "cairn-demo/greet.rs",
    text: r#"//! Words for whoever comes by.

/// Greets whoever comes by.
pub fn greet(name: &str) -> String {
    let greeting = "hello";
    let called = name.trim();
    let mark = "!";
    format!("{greeting}, {called}{mark}")
}

/// Sees somebody off.
pub fn part(name: &str) -> String {
    let word = "bye";
    format!("{word}, {name}")
}

/// Counts the guests.
pub fn count(guests: &[&str]) -> usize {
    guests.len()
}

/// Names the first guest.
pub fn first<'a>(guests: &[&'a str]) -> Option<&'a str> {
    guests.first().copied()
}
"#,
};

/// One function leaves this file, while another node edits it.
pub(super) const ROAD: Text = Text {
    path: "cairn-demo/road.rs",
    text: r#"//! On the road.

/// Stays where it is.
pub fn stay(steps: u32) -> u32 {
    steps
}

/// Wanders from file to file.
pub fn wander(steps: u32) -> u32 {
    let mut left = steps;
    let mut walked = 0;
    while left > 0 {
        left -= 1;
        walked += 1;
    }
    walked
}
"#,
};

/// The function that leaves.
pub(super) const WANDER: &str = r#"
/// Wanders from file to file.
pub fn wander(steps: u32) -> u32 {
    let mut left = steps;
    let mut walked = 0;
    while left > 0 {
        left -= 1;
        walked += 1;
    }
    walked
}
"#;

/// Where it goes.
pub(super) const SHELTER: Text = Text {
    path: "cairn-demo/shelter.rs",
    text: r#"//! Under a roof.

/// Keeps the rain off.
pub fn roof(rain: u32) -> u32 {
    rain.saturating_sub(1)
}
"#,
};

/// Deleted by one node, edited by another.
pub(super) const FORGOTTEN: Text = Text {
    path: "cairn-demo/forgotten.rs",
    text: r#"//! Nobody needs this, or do they?

/// Remembers a number.
pub fn remember(number: u64) -> u64 {
    number
}
"#,
};

/// Renamed by one node, edited by another.
pub(super) const OLD_NAME: Text = Text {
    path: "cairn-demo/old_name.rs",
    text: r#"//! A file that gets a better name.

/// Adds two numbers.
pub fn add(left: u64, right: u64) -> u64 {
    left + right
}

/// Multiplies two numbers.
pub fn times(left: u64, right: u64) -> u64 {
    left * right
}
"#,
};

/// Its better name.
pub(super) const NEW_NAME: &str = "cairn-demo/new_name.rs";

/// All texts of the story.
pub(super) const TEXTS: [Text; 5] = [GREET, ROAD, SHELTER, FORGOTTEN, OLD_NAME];

/// Bytes that are no text.
pub(super) const PICTURE: &str = "cairn-demo/picture.bin";

/// The picture as `painter` painted it.
pub(super) fn picture(painter: u8) -> Vec<u8> {
    (0..=255u8).cycle().take(20_000).map(|byte| byte ^ painter).collect()
}

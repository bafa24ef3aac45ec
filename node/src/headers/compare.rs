//! How what two files say of themselves differs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Array, Arrays, Form, Header, Table};

/// The most changes that an answer lists.
const CHANGES_COUNT_MAX: usize = 1000;

/// What became of an array or a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is in the later file alone.
    Added,
    /// It is in the earlier file alone.
    Removed,
    /// It has another name, and holds the same.
    Renamed,
    /// It has another shape.
    Reshaped,
    /// Its values have another type.
    Retyped,
    /// Its values lie in another order.
    Reordered,
}

/// An array or a column that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name; that of the later file, where there are two. The array of an `.npy` file has none.
    pub name: String,
    /// What became of it; more than one for an array that has other type and shape.
    pub what: Vec<What>,
    /// What it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Type and shape in the earlier file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Array>,
    /// The same in the later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Array>,
}

/// Rows of two tables; `null` where they were not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Of the earlier one.
    pub then: Option<u64>,
    /// Of the later one.
    pub now: Option<u64>,
}

/// How two files of one form differ in what they say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Their form.
    pub form: Form,
    /// How many arrays or columns say the same in both. What they hold may differ.
    pub same: u64,
    /// Those that do not; at most a thousand.
    pub changes: Vec<Change>,
    /// How many changes are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// How many rows the tables have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Why nothing is told: which file's header cannot be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// A file whose header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The artifact.
    pub artifact: String,
    /// Why.
    pub detail: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Compares two headers of one form.
pub fn compare(form: Form, then: &Header, now: &Header) -> Inside {
    let (mut changes, same, rows) = match (then, now) {
        (Header::Arrays(then), Header::Arrays(now)) => {
            let (changes, same) = arrays(then, now);
            (changes, same, None)
        }
        (Header::Table(then), Header::Table(now)) => {
            let (changes, same) = columns(then, now);
            (changes, same, Some(Rows { then: then.rows, now: now.rows }))
        }
        _ => (Vec::new(), 0, None),
    };
    let left_out = changes.len().saturating_sub(CHANGES_COUNT_MAX) as u64;
    changes.truncate(CHANGES_COUNT_MAX);
    Inside { form, same, changes, left_out, rows, problems: Vec::new() }
}

/// Says that nothing can be compared.
pub fn unread(form: Form, problems: Vec<Problem>) -> Inside {
    Inside { form, same: 0, changes: Vec::new(), left_out: 0, rows: None, problems }
}

fn arrays(then: &Arrays, now: &Arrays) -> (Vec<Change>, u64) {
    let (mut changes, mut same) = (Vec::new(), 0);
    let gone = then.iter().filter(|(name, _)| !now.contains_key(*name));
    for (name, array) in gone {
        changes.push(change(name, What::Removed, Some(array), None));
    }
    for (name, array) in now {
        let Some(before) = then.get(name) else {
            changes.push(change(name, What::Added, None, Some(array)));
            continue;
        };
        let parts = [
            (before.shape != array.shape, What::Reshaped),
            (before.dtype != array.dtype, What::Retyped),
            (before.order != array.order, What::Reordered),
        ];
        let what: Vec<_> = parts.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect();
        match what.is_empty() {
            true => same += 1,
            false => {
                let (then, now) = (Some(before.clone()), Some(array.clone()));
                changes.push(Change { name: name.clone(), what, from: None, then, now });
            }
        }
    }
    (changes, same)
}

fn change(name: &str, what: What, then: Option<&Array>, now: Option<&Array>) -> Change {
    Change { name: name.to_owned(), what: vec![what], from: None, then: then.cloned(), now: now.cloned() }
}

fn columns(then: &Table, now: &Table) -> (Vec<Change>, u64) {
    let missing = |of: &Table, from: &Table| -> Vec<usize> {
        let is_there = |name: &str| from.columns.iter().any(|column| column.name == name);
        let columns = of.columns.iter().enumerate();
        columns.filter(|(_, column)| !is_there(&column.name)).map(|(at, _)| at).collect()
    };
    let (gone, new) = (missing(then, now), missing(now, then));
    let same = (now.columns.len() - new.len()) as u64;
    let (before, after) = (by_content(then), by_content(now));
    let mut changes = Vec::new();
    let mut renamed = Vec::new();
    for at in new {
        let Some(column) = now.columns.get(at) else { continue };
        // Sure is only what one column alone holds, on both sides.
        let sure = column.digest.filter(|digest| after.get(digest).is_some_and(|found| found.len() == 1));
        let from = sure.and_then(|digest| before.get(&digest)).and_then(|found| match found.as_slice() {
            [one] if gone.contains(one) => Some(*one),
            _ => None,
        });
        match from.and_then(|from| Some((from, then.columns.get(from)?))) {
            Some((from, was)) => {
                renamed.push(from);
                let from = Some(was.name.clone());
                changes.push(Change { from, ..change(&column.name, What::Renamed, None, None) });
            }
            None => changes.push(change(&column.name, What::Added, None, None)),
        }
    }
    let removed = gone.into_iter().filter(|at| !renamed.contains(at)).filter_map(|at| then.columns.get(at));
    changes.extend(removed.map(|column| change(&column.name, What::Removed, None, None)));
    (changes, same)
}

/// Columns by what they hold.
fn by_content(table: &Table) -> BTreeMap<[u8; 32], Vec<usize>> {
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, column) in table.columns.iter().enumerate() {
        if let Some(digest) = column.digest {
            found.entry(digest).or_default().push(at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::of_bytes;
    use super::*;

    fn array(dtype: &str, shape: &[u64]) -> Array {
        Array { dtype: dtype.into(), order: None, shape: shape.to_vec() }
    }

    fn told(inside: &Inside) -> Vec<(&str, &[What])> {
        inside.changes.iter().map(|change| (change.name.as_str(), change.what.as_slice())).collect()
    }

    #[test]
    fn arrays_come_go_and_change() {
        let then = Arrays::from([
            ("a".into(), array("F32", &[2])),
            ("b".into(), array("F32", &[2])),
            ("c".into(), array("F32", &[2])),
        ]);
        let now = Arrays::from([
            ("a".into(), array("F32", &[2])),
            ("b".into(), array("F16", &[4])),
            ("d".into(), array("F32", &[2])),
        ]);
        let inside = compare(Form::Safetensors, &Header::Arrays(then), &Header::Arrays(now));
        let expected: [(&str, &[What]); 3] =
            [("c", &[What::Removed]), ("b", &[What::Reshaped, What::Retyped]), ("d", &[What::Added])];
        assert_eq!((told(&inside), inside.same), (expected.to_vec(), 1));
    }

    #[test]
    fn a_column_is_renamed_only_where_nothing_else_can_be() {
        let of = |text: &str| of_bytes(Form::Csv, text.as_bytes()).unwrap();
        let of_two = |then: &str, now: &str| compare(Form::Csv, &of(then), &of(now));
        let inside = of_two("id,x\n1,5\n2,6\n", "id,y\n1,5\n2,6\n");
        assert_eq!((told(&inside), inside.same), (vec![("y", &[What::Renamed][..])], 1));
        assert_eq!(inside.changes[0].from.as_deref(), Some("x"));
        let both: Vec<(&str, &[What])> = vec![("y", &[What::Added]), ("x", &[What::Removed])];
        for (then, now) in [
            ("id,x\n1,5\n2,6\n", "id,y\n1,5\n2,7\n"),
            ("id,x\n1,5\n2,5\n", "id,y\n1,5\n2,5\n"),
            ("id,x\n1,1\n2,2\n", "id,y\n1,1\n2,2\n"),
            ("id,x\n1,5\n2,6\n", "id,y\n1,5\n2,6\n3\n"),
        ] {
            let inside = of_two(then, now);
            assert_eq!(told(&inside), both, "{then} {now}");
        }
        assert_eq!(of_two("a\n1\n", "a\n1\n2\n").rows, Some(Rows { then: Some(1), now: Some(2) }));
    }

    #[test]
    fn an_answer_is_bounded() {
        let many: Arrays = (0..CHANGES_COUNT_MAX + 5).map(|at| (at.to_string(), array("U8", &[1]))).collect();
        let inside = compare(Form::Npz, &Header::Arrays(Arrays::new()), &Header::Arrays(many));
        assert_eq!((inside.changes.len(), inside.left_out), (CHANGES_COUNT_MAX, 5));
    }
}

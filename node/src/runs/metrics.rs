//! Metrics: from a JSON file that a program writes, and from lines that it prints.
//!
//! A line counts that begins with `cairn:`, and only such a line: `cairn: acc=0.93 loss=0.11 step=12`. Each word is a name and a
//! number; `step`, where given, is the step of the others, which else count up from 0. What was printed once is a metric; what was printed
//! several times is a series, and its last value is the metric.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Number;
use super::record::{KEYS_MAX, RecordError, check_key};

/// What a line that tells metrics begins with.
pub const LINE_PREFIX: &str = "cairn:";
/// The word that tells the step.
const STEP: &str = "step";
/// The most values of one series that are kept.
pub const POINTS_MAX: usize = 10_000;
/// The most values of all series together: so many fit into a file of text.
const POINTS_ALL_MAX: usize = 50_000;
/// How deep the keys of a file may nest.
const DEPTH_MAX: usize = 16;
/// The most bytes of a file of series, as one reads it.
pub const SERIES_BYTES_MAX: usize = 4 << 20;

/// The values of one metric, each with its step.
pub type Series = Vec<(Number, Number)>;

/// What a program told of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// By name, in the order in which it was printed.
    pub series: BTreeMap<String, Series>,
    /// How many values are not kept, since there were too many.
    #[serde(default)]
    pub cut: u64,
    /// The last value of each, kept or not.
    pub last: BTreeMap<String, Number>,
}

impl Metrics {
    /// Takes in a line, if it tells metrics.
    pub fn line(&mut self, line: &str) {
        let Some(words) = line.strip_prefix(LINE_PREFIX) else { return };
        let read = |word: &str| {
            let (name, number) = word.split_once('=')?;
            check_key(name).ok()?;
            Some((name.to_owned(), Number::parse(number)?))
        };
        let told: Vec<_> = words.split_whitespace().filter_map(read).collect();
        let step = told.iter().find(|(name, _)| name == STEP).map(|(_, step)| *step);
        for (name, number) in told.into_iter().filter(|(name, _)| name != STEP) {
            self.point(name, step, number);
        }
    }

    fn point(&mut self, name: String, step: Option<Number>, number: Number) {
        if !self.last.contains_key(&name) && self.last.len() >= KEYS_MAX {
            self.cut += 1;
            return;
        }
        let all: usize = self.series.values().map(Vec::len).sum();
        let series = self.series.entry(name.clone()).or_default();
        let step = step.unwrap_or(Number(series.len() as f64));
        match series.len() < POINTS_MAX && all < POINTS_ALL_MAX {
            true => series.push((step, number)),
            false => self.cut += 1,
        }
        self.last.insert(name, number);
    }

    /// Only what was told more than once.
    pub fn repeated(&self) -> BTreeMap<&String, &Series> {
        self.series.iter().filter(|(_, series)| series.len() > 1).collect()
    }
}

/// The numbers of a JSON document, nested keys joined by dots.
///
/// # Errors
/// Where it is no JSON object, nests too deep, or has too many numbers.
pub fn of_file(bytes: &[u8]) -> Result<BTreeMap<String, Number>, RecordError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| RecordError::Shape(error.to_string()))?;
    if !value.is_object() {
        return Err(RecordError::Shape("the metrics are no JSON object".to_owned()));
    }
    let mut found = BTreeMap::new();
    gather(&value, String::new(), 0, &mut found)?;
    Ok(found)
}

fn gather(
    value: &Value,
    name: String,
    depth: usize,
    found: &mut BTreeMap<String, Number>,
) -> Result<(), RecordError> {
    match value {
        _ if depth > DEPTH_MAX => return Err(RecordError::TooDeep),
        Value::Number(number) => {
            check_key(&name)?;
            found.extend(number.as_f64().map(|number| (name, Number(number))));
            if found.len() > KEYS_MAX {
                return Err(RecordError::Count("metrics"));
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                gather(value, name, depth + 1, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads a file of series that anybody may have written.
pub fn read_series(bytes: &[u8]) -> Result<BTreeMap<String, Series>, RecordError> {
    if bytes.len() > SERIES_BYTES_MAX {
        return Err(RecordError::TooLong);
    }
    let series: BTreeMap<String, Series> =
        serde_json::from_slice(bytes).map_err(|error| RecordError::Shape(error.to_string()))?;
    match series.values().any(|series| series.len() > POINTS_MAX) || series.len() > KEYS_MAX {
        true => Err(RecordError::Count("values in its series")),
        false => Ok(series),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_the_prefix_count_and_no_others() {
        let mut metrics = Metrics::default();
        for line in ["acc=0.5", " cairn: acc=0.5", "cairn: acc=0.7 loss=1e-3 junk =x b=", "cairn: acc=0.8"] {
            metrics.line(line);
        }
        metrics.line("cairn: step=40 acc=nan");
        let acc = [(0.0, 0.7), (1.0, 0.8), (40.0, f64::NAN)].map(|(step, acc)| (Number(step), Number(acc)));
        assert_eq!(metrics.series["acc"], acc);
        assert_eq!(metrics.last, [("acc".into(), Number(f64::NAN)), ("loss".into(), Number(0.001))].into());
        assert_eq!(metrics.repeated().len(), 1);
        let text = serde_json::to_vec(&metrics.repeated()).unwrap();
        assert_eq!(read_series(&text).unwrap()["acc"], acc);
    }

    #[test]
    fn a_program_that_never_stops_fills_nothing() {
        let mut metrics = Metrics::default();
        for step in 0..POINTS_MAX + 5 {
            metrics.line(&format!("cairn: a={step}"));
        }
        assert_eq!((metrics.series["a"].len(), metrics.cut), (POINTS_MAX, 5));
        assert_eq!(metrics.last["a"], Number((POINTS_MAX + 4) as f64));
        for name in 0..KEYS_MAX + 5 {
            metrics.line(&format!("cairn: n{name}=1"));
        }
        assert_eq!((metrics.last.len(), metrics.cut), (KEYS_MAX, 11));
    }

    #[test]
    fn numbers_of_a_file_have_names_with_dots() {
        let found = of_file(br#"{"acc": 0.9, "by": {"class": {"a": 1}}, "name": "x", "list": [1]}"#).unwrap();
        assert_eq!(found, [("acc".into(), Number(0.9)), ("by.class.a".into(), Number(1.0))].into());
        let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
        assert_eq!(of_file(deep.as_bytes()), Err(RecordError::TooDeep));
        for bad in ["[1]", "", "{\"a b\": 1}", &format!("{}1", "{\"a\":".repeat(500))] {
            assert!(of_file(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

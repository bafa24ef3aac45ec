//! A measured figure, as a line for programs and as a row for people.

use crate::output;

/// A figure, mostly one that has a limit.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// The benchmark.
    pub(super) bench: &'static str,
    /// What was measured.
    pub(super) figure: String,
    /// In what.
    pub(super) unit: &'static str,
    /// What cairn did.
    pub(super) cairn: f64,
    /// Who else did it, and how well.
    pub(super) rival: Option<(String, f64)>,
    /// What is promised.
    pub(super) limit: Limit,
    /// How many times it was measured.
    pub(super) runs: usize,
}

/// What is promised of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// Nothing: it stands beside one that has a limit.
    Nothing,
}

impl Figure {
    /// Whether the promise is kept, where there is one.
    pub(super) fn met(&self) -> Option<bool> {
        match self.limit {
            Limit::AtMost(most) => Some(self.cairn <= most),
            Limit::AtLeast(least) => Some(self.cairn >= least),
            Limit::Nothing => None,
        }
    }

    /// Prints the figure.
    pub(super) fn print(&self, json: bool) {
        if json {
            output::line(&self.json().to_string());
        } else {
            output::line(&self.row());
        }
    }

    fn json(&self) -> serde_json::Value {
        let limit = match self.limit {
            Limit::AtMost(limit) | Limit::AtLeast(limit) => Some(rounded(limit)),
            Limit::Nothing => None,
        };
        let rival = self.rival.as_ref().map(|(_, rival)| rounded(*rival));
        let ratio = self.rival.as_ref().filter(|(_, rival)| *rival > 0.0);
        serde_json::json!({
            "bench": self.bench, "figure": self.figure, "unit": self.unit, "cairn": rounded(self.cairn),
            "rival": rival, "rival_name": self.rival.as_ref().map(|(name, _)| name),
            "ratio": ratio.map(|(_, rival)| rounded(self.cairn / rival)),
            "limit": limit, "met": self.met(), "runs": self.runs,
        })
    }

    fn row(&self) -> String {
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("<= {limit:8.2}"),
            Limit::AtLeast(limit) => format!(">= {limit:8.2}"),
            Limit::Nothing => String::new(),
        };
        let rival = self.rival.as_ref().map_or(String::new(), |(name, rival)| format!("{rival:9.2} {name}"));
        let met = self.met().map_or("", |met| if met { "met" } else { "MISSED" });
        let Self { figure, cairn, unit, runs, .. } = self;
        format!("{figure:28} {cairn:9.2} {unit:4} {limit:11}  {met:6} {runs:6} runs  {rival}")
    }
}

/// Enough digits for anyone.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_fields_that_programs_read() {
        let figure = Figure {
            bench: "merge",
            figure: "clean silent wrong".into(),
            unit: "%",
            cairn: 1.0,
            rival: Some(("git 2.39".into(), 4.0)),
            limit: Limit::AtMost(3.0),
            runs: 12,
        };
        assert_eq!(
            figure.json().to_string(),
            r#"{"bench":"merge","cairn":1.0,"figure":"clean silent wrong","limit":3.0,"met":true,"ratio":0.25,"rival":4.0,"rival_name":"git 2.39","runs":12,"unit":"%"}"#
        );
        let figure = Figure { rival: None, limit: Limit::AtLeast(3.0), ..figure };
        assert!(
            figure.met() == Some(false)
                && figure.json()["rival"].is_null()
                && figure.json()["ratio"].is_null()
        );
        let figure = Figure { limit: Limit::Nothing, ..figure };
        assert!(figure.json()["limit"].is_null() && figure.json()["met"].is_null());
    }
}

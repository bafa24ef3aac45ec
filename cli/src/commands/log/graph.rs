//! The lines beside a log that say what stands on what.
//!
//! Each lane is a column that waits for one waypoint. A waypoint takes the first lane that waits for it; the
//! others end there. Its first parent goes on in its lane, each other parent in the lane that waits for it already, or
//! in a free one. Two characters a lane: the lane, and the gap behind it, through which lanes part and meet.

/// The lanes so far.
#[derive(Debug, Default)]
pub(super) struct Graph {
    lanes: Vec<Option<String>>,
}

/// What is drawn for one waypoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// Above it: lanes that end in it.
    pub(super) above: Vec<String>,
    /// Beside it.
    pub(super) beside: String,
    /// Below it: lanes that begin in it. What has several lines goes on beside the first of them, or `beside` the lanes.
    pub(super) below: Vec<String>,
    /// Beside its further lines.
    pub(super) after: String,
}

impl Graph {
    /// Draws the next waypoint, newest first, on what it stands.
    pub(super) fn draw(&mut self, waypoint: &str, parents: &[String]) -> Rows {
        let waits = |lane: &Option<String>| lane.as_deref() == Some(waypoint);
        let mine = self.lanes.iter().position(waits).unwrap_or_else(|| self.free());
        let mut above = Vec::new();
        for lane in (mine + 1..self.lanes.len()).rev() {
            if waits(&self.lanes[lane]) {
                above.push(self.bridge(mine, lane, '/', Some(lane)));
                self.lanes[lane] = None;
            }
        }
        let beside = self.row(Some(mine));
        self.lanes[mine] = parents.first().cloned();
        let mut below = Vec::new();
        for parent in parents.iter().skip(1) {
            let known = self.lanes.iter().position(|lane| lane.as_ref() == Some(parent));
            let lane = known.unwrap_or_else(|| self.free());
            if lane != mine {
                let hidden = known.is_none().then_some(lane);
                below.push(match lane > mine {
                    true => self.bridge(mine, lane, '\\', hidden),
                    false => self.bridge(lane, mine, '/', hidden),
                });
            }
            self.lanes[lane] = Some(parent.clone());
        }
        while self.lanes.last() == Some(&None) {
            self.lanes.pop();
        }
        Rows { above, beside, below, after: self.row(None) }
    }

    /// A lane that nothing waits in.
    fn free(&mut self) -> usize {
        let free = self.lanes.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.lanes.push(None);
            self.lanes.len() - 1
        })
    }

    /// Every lane, and a star where a waypoint stands.
    fn row(&self, star: Option<usize>) -> String {
        let cells = self.cells(star);
        cells.iter().collect::<String>().trim_end().to_owned()
    }

    fn cells(&self, star: Option<usize>) -> Vec<char> {
        let cell = |(at, lane): (usize, &Option<String>)| match lane {
            _ if star == Some(at) => ['*', ' '],
            Some(_) => ['|', ' '],
            None => [' ', ' '],
        };
        self.lanes.iter().enumerate().flat_map(cell).collect()
    }

    /// A line from lane `from` to lane `to` on its right, with its slope at the right end; `hidden` is not drawn.
    fn bridge(&self, from: usize, to: usize, slope: char, hidden: Option<usize>) -> String {
        let mut cells = self.cells(None);
        if let Some(cell) = hidden.and_then(|lane| cells.get_mut(2 * lane)) {
            *cell = ' ';
        }
        // A slope that rises to the left lane stands beside the right one, and one that falls beside the left.
        let slope_at = 2 * to - 1;
        for gap in (2 * from + 1..slope_at).step_by(2) {
            cells[gap] = '_';
        }
        cells[slope_at] = slope;
        cells.iter().collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws waypoints that are written as `name: parent parent`.
    fn drawn(history: &[&str]) -> Vec<String> {
        let mut graph = Graph::default();
        let mut lines = Vec::new();
        for one in history {
            let (name, parents) = one.split_once(':').unwrap();
            let parents: Vec<String> = parents.split_whitespace().map(str::to_owned).collect();
            let Rows { above, beside, below, .. } = graph.draw(name, &parents);
            lines.extend(above);
            lines.push(format!("{beside} {name}"));
            lines.extend(below);
        }
        lines
    }

    #[test]
    fn a_straight_history_is_one_lane() {
        assert_eq!(drawn(&["c: b", "b: a", "a:"]), ["* c", "* b", "* a"]);
    }

    #[test]
    fn lanes_part_where_edits_met_and_meet_where_they_began() {
        let merged = drawn(&["m: l r", "l: base", "r: base", "base:"]);
        assert_eq!(merged, ["* m", "|\\", "* | l", "| * r", "|/", "* base"]);
        let heads = drawn(&["l: base", "r: base", "base:"]);
        assert_eq!(heads, ["* l", "| * r", "|/", "* base"]);
    }

    #[test]
    fn far_lanes_are_bridged_and_free_ones_used_again() {
        let three = drawn(&["m: a b c", "a: base", "b: base", "c: base", "base:"]);
        assert_eq!(three, ["* m", "|\\", "|_|\\", "* | | a", "| * | b", "| | * c", "|_|/", "|/", "* base"]);
        let again = drawn(&["m: a b", "b:", "a: x y", "y: x", "x:"]);
        assert_eq!(again, ["* m", "|\\", "| * b", "* a", "|\\", "| * y", "|/", "* x"]);
    }
}

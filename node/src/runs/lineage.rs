//! Where data came from and what became of it: code and inputs, the run, its outputs, and so on.
//!
//! Data is known by the hash of its bytes, so that what one run writes and another reads is one thing, whatever it is called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use cairn_crdt::Contents;
use cairn_crdt::id::ContentHash;

use super::book::Run;
use super::chart::escaped;
use super::descent::Descent;
use super::record::{Item, Record, RunId};
use crate::error::NodeError;

/// The pixels from one node of a drawing to the next, across and down.
const PITCH: (usize, usize) = (240, 56);
/// The pixels of a node.
const BOX: (usize, usize) = (200, 36);
/// How many characters of a label a drawing has room for.
const LABEL_CHARS_MAX: usize = 28;
/// The most nodes that are told.
const NODES_MAX: usize = 4096;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A version of the code.
    Code,
    /// Bytes that a run read or wrote.
    Data,
    /// A run.
    Run,
}

/// Code, data or a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The root of the code, the hash of the bytes, or the name of the run.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// The artifact that keeps its bytes, if any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

/// Nodes, and which led to which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// From and to, as places in the list of nodes.
    pub edges: Vec<(usize, usize)>,
    /// Whether there is more: only so many nodes are told, the nearest ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Which way to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// What it came from.
    Up,
    /// What became of it.
    Down,
    /// Both.
    #[default]
    Both,
}

/// A node by what it is: all that is needed to go on from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// What it is.
    pub kind: Kind,
    /// The root of the code, the hash of the bytes, or the name of the run.
    pub id: String,
}

impl Name {
    /// Code or data by its hash.
    pub fn new(kind: Kind, hash: &ContentHash) -> Self {
        Self { kind, id: hash.to_string() }
    }

    /// A run.
    pub fn run(id: &RunId) -> Self {
        Self { kind: Kind::Run, id: id.to_string() }
    }
}

/// What a run is called.
pub fn label(record: &Record) -> String {
    record.name.clone().unwrap_or_else(|| record.command.join(" "))
}

/// What is followed, and what was come by.
struct Walk<'a> {
    descent: &'a Descent,
    contents: &'a dyn Contents,
    runs: BTreeMap<String, Run>,
    reached: BTreeSet<Name>,
    more: bool,
}

impl Walk<'_> {
    /// Follows some nodes one way, the nearest first.
    fn follow(&mut self, starts: &BTreeSet<Name>, is_up: bool, hops: Option<usize>) -> Result<(), NodeError> {
        let passed = |name: &Name| usize::from(name.kind == Kind::Run);
        let mut seen = starts.clone();
        let mut open: VecDeque<(Name, usize)> =
            starts.iter().map(|name| (name.clone(), passed(name))).collect();
        while let Some((at, so_far)) = open.pop_front() {
            for next in self.next(&at, is_up)? {
                let passed = so_far + passed(&next);
                if hops.is_some_and(|hops| passed > hops) || seen.contains(&next) {
                    continue;
                }
                if self.reached.len() >= NODES_MAX && !self.reached.contains(&next) {
                    self.more = true;
                    return Ok(());
                }
                self.reached.insert(next.clone());
                seen.insert(next.clone());
                open.push_back((next, passed));
            }
        }
        Ok(())
    }

    /// What a node came from, or what became of it.
    fn next(&mut self, at: &Name, is_up: bool) -> Result<Vec<Name>, NodeError> {
        let runs = match (at.kind, is_up) {
            (Kind::Run, _) => return self.beside(at, is_up),
            (Kind::Data, true) => self.descent.makers(&at.id, NODES_MAX + 1)?,
            (Kind::Data, false) => self.descent.readers(&at.id, NODES_MAX + 1)?,
            (Kind::Code, true) => Vec::new(),
            (Kind::Code, false) => self.descent.runs_of_code(&at.id, NODES_MAX + 1)?,
        };
        Ok(runs.iter().map(Name::run).collect())
    }

    /// What a run read, or wrote.
    fn beside(&mut self, at: &Name, is_up: bool) -> Result<Vec<Name>, NodeError> {
        let Some(run) = self.run(&at.id)? else { return Ok(Vec::new()) };
        let record = &run.record;
        let items = if is_up { &record.inputs } else { &record.outputs };
        let code = is_up.then(|| Name { kind: Kind::Code, id: record.code.root.clone() });
        Ok(code
            .into_iter()
            .chain(items.iter().map(|item| Name { kind: Kind::Data, id: item.content.clone() }))
            .collect())
    }

    fn run(&mut self, id: &str) -> Result<Option<&Run>, NodeError> {
        if !self.runs.contains_key(id) {
            let Some(run) = RunId::parse(id) else { return Ok(None) };
            let Some(run) = self.descent.run(self.contents, &run)? else { return Ok(None) };
            self.runs.insert(id.to_owned(), run);
        }
        Ok(self.runs.get(id))
    }

    /// What was come by, with all that leads from one to another.
    fn graph(mut self, starts: &BTreeSet<Name>) -> Result<Graph, NodeError> {
        let names: Vec<Name> = self.reached.iter().filter(|name| name.kind == Kind::Run).cloned().collect();
        for name in &names {
            self.run(&name.id)?;
        }
        let mut runs: Vec<&Run> = names.iter().filter_map(|name| self.runs.get(&name.id)).collect();
        runs.sort_by(|a, b| (a.record.started_ms, &a.id).cmp(&(b.record.started_ms, &b.id)));
        let (mut graph, mut places) = (Graph { more: self.more, ..Graph::default() }, BTreeMap::new());
        runs.iter().for_each(|run| graph.add(run, &self.reached, &mut places));
        for name in starts.iter().filter(|name| !places.contains_key(*name)).cloned().collect::<Vec<_>>() {
            graph.alone(&self, &name, &mut places)?;
        }
        Ok(graph)
    }
}

impl Graph {
    /// The part that leads to some nodes, or from them, through at most so many runs one after the other. Of a large one only the
    /// nearest nodes are told.
    pub fn around(
        descent: &Descent,
        contents: &dyn Contents,
        starts: &BTreeSet<Name>,
        (way, hops): (Way, Option<usize>),
    ) -> Result<Self, NodeError> {
        let (runs, reached) = (BTreeMap::new(), starts.clone());
        let mut walk = Walk { descent, contents, runs, reached, more: false };
        for (is_up, is_asked) in [(true, way != Way::Down), (false, way != Way::Up)] {
            if is_asked {
                walk.follow(starts, is_up, hops)?;
            }
        }
        walk.graph(starts)
    }

    fn add(&mut self, run: &Run, kept: &BTreeSet<Name>, places: &mut BTreeMap<Name, usize>) {
        let this = self.node(places, of_run(run));
        let is_kept = |node: &Node| kept.contains(&Name { kind: node.kind, id: node.id.clone() });
        let inputs = [of_code(run)].into_iter().chain(run.record.inputs.iter().map(data));
        for node in inputs.filter(is_kept) {
            let from = self.node(places, node);
            self.edges.push((from, this));
        }
        for node in run.record.outputs.iter().map(data).filter(is_kept) {
            let to = self.node(places, node);
            self.edges.push((this, to));
        }
    }

    /// A node that nothing leads to or from here, as any run tells of it.
    fn alone(
        &mut self,
        walk: &Walk<'_>,
        name: &Name,
        places: &mut BTreeMap<Name, usize>,
    ) -> Result<(), NodeError> {
        let descent = walk.descent;
        let runs = match name.kind {
            Kind::Run => RunId::parse(&name.id).into_iter().collect(),
            Kind::Code => descent.runs_of_code(&name.id, 1)?,
            Kind::Data => [descent.makers(&name.id, 1)?, descent.readers(&name.id, 1)?].concat(),
        };
        for id in runs {
            let Some(run) = descent.run(walk.contents, &id)? else { continue };
            let items = run.record.outputs.iter().chain(&run.record.inputs).map(data);
            let mut nodes = [of_run(&run), of_code(&run)].into_iter().chain(items);
            if let Some(node) = nodes.find(|node| node.kind == name.kind && node.id == name.id) {
                self.node(places, node);
                return Ok(());
            }
        }
        Ok(())
    }

    fn node(&mut self, places: &mut BTreeMap<Name, usize>, node: Node) -> usize {
        let name = Name { kind: node.kind, id: node.id.clone() };
        let place = *places.entry(name).or_insert(self.nodes.len());
        match self.nodes.get_mut(place) {
            Some(known) => known.artifact = known.artifact.take().or(node.artifact),
            None => self.nodes.push(node),
        }
        place
    }

    /// How many steps lead to each node, at most. What goes in a circle, since a record is a lie, stands behind what leads to it.
    fn ranks(&self) -> Vec<usize> {
        let (mut ranks, mut before) = (vec![0; self.nodes.len()], vec![0_usize; self.nodes.len()]);
        let mut downs = vec![Vec::new(); self.nodes.len()];
        for &(from, to) in &self.edges {
            if let (Some(down), Some(count)) = (downs.get_mut(from), before.get_mut(to)) {
                down.push(to);
                *count += 1;
            }
        }
        let free = |before: &[usize]| (0..before.len()).filter(|at| before.get(*at) == Some(&0)).collect();
        let mut open: VecDeque<usize> = free(&before);
        while let Some(at) = open.pop_front() {
            let rank = ranks.get(at).copied().unwrap_or(0) + 1;
            for &to in downs.get(at).into_iter().flatten() {
                if let (Some(known), Some(count)) = (ranks.get_mut(to), before.get_mut(to)) {
                    (*known, *count) = (rank.max(*known), count.saturating_sub(1));
                    if *count == 0 {
                        open.push_back(to);
                    }
                }
            }
        }
        ranks
    }

    /// As text: each run with what went in and what came out, the first one first.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let ranks = self.ranks();
        let (mut ups, mut downs) = (BTreeMap::new(), BTreeMap::new());
        for &(from, to) in &self.edges {
            ups.entry(to).or_insert_with(Vec::new).push(from);
            downs.entry(from).or_insert_with(Vec::new).push(to);
        }
        let mut runs: Vec<_> =
            self.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Run).collect();
        runs.sort_by_key(|(place, _)| (ranks.get(*place), *place));
        for (place, run) in runs {
            let _ = writeln!(out, "run {} {}", run.id, plain(&run.label));
            for (word, beside) in [("from", &ups), ("made", &downs)] {
                for at in beside.get(&place).into_iter().flatten() {
                    let _ = writeln!(out, "  {word} {}", self.told(*at));
                }
            }
        }
        if self.more {
            let _ = writeln!(out, "there is more: --up, --down and --hops ask for less");
        }
        out
    }

    fn told(&self, place: usize) -> String {
        let Some(node) = self.nodes.get(place) else { return String::new() };
        let kind = match node.kind {
            Kind::Code => "code",
            Kind::Data => "data",
            Kind::Run => "run ",
        };
        format!("{kind} {} {}", node.id.get(..12).unwrap_or(&node.id), plain(&node.label))
    }

    /// In the language of graphviz.
    pub fn dot(&self) -> String {
        let mut out = "digraph lineage {\n  rankdir=LR;\n".to_owned();
        for (place, node) in self.nodes.iter().enumerate() {
            let shape = match node.kind {
                Kind::Code => "note",
                Kind::Data => "box",
                Kind::Run => "ellipse",
            };
            let label = plain(&node.label).replace('\\', "\\\\").replace('"', "\\\"");
            let id = node.id.get(..12).unwrap_or(&node.id);
            let _ = writeln!(out, "  n{place} [shape={shape}, label=\"{label}\\n{id}\"];");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(out, "  n{from} -> n{to};");
        }
        out + "}\n"
    }

    /// As a drawing, from left to right.
    pub fn svg(&self) -> String {
        let ranks = self.ranks();
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        let places: Vec<(usize, usize)> = ranks
            .iter()
            .map(|rank| {
                let row = rows.entry(*rank).or_insert(0);
                *row += 1;
                (rank * PITCH.0 + 20, (*row - 1) * PITCH.1 + 20)
            })
            .collect();
        let width = rows.keys().max().unwrap_or(&0) * PITCH.0 + BOX.0 + 40;
        let height = rows.values().max().unwrap_or(&0) * PITCH.1 + 40;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        );
        for (from, to) in &self.edges {
            if let (Some((x, y)), Some((to_x, to_y))) = (places.get(*from), places.get(*to)) {
                let (x, y, to_y) = (x + BOX.0, y + BOX.1 / 2, to_y + BOX.1 / 2);
                let _ = writeln!(out, "<path d=\"M{x} {y}L{to_x} {to_y}\" stroke=\"gray\"/>");
            }
        }
        for (node, (x, y)) in self.nodes.iter().zip(&places) {
            let (fill, corner) = match node.kind {
                Kind::Code => ("#eef3d2", 0),
                Kind::Data => ("#dde8f5", 0),
                Kind::Run => ("#f5e3d0", 16),
            };
            let label: String = node.label.chars().take(LABEL_CHARS_MAX).collect();
            let (width, height, text_x, text_y) = (BOX.0, BOX.1, x + 8, y + 22);
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{corner}\" fill=\"{fill}\" stroke=\"gray\"><title>{}</title></rect>",
                escaped(&node.id)
            );
            let _ = writeln!(out, "<text x=\"{text_x}\" y=\"{text_y}\">{}</text>", escaped(&label));
        }
        out + "</svg>\n"
    }
}

fn of_run(run: &Run) -> Node {
    Node { kind: Kind::Run, id: run.id.to_string(), label: label(&run.record), artifact: None }
}

fn of_code(run: &Run) -> Node {
    let code = &run.record.code;
    let heads = code.frontier.iter().map(|head| head.chars().take(12).collect::<String>());
    let label = format!("{} at {}", code.branch, heads.collect::<Vec<_>>().join(" "));
    Node { kind: Kind::Code, id: code.root.clone(), label, artifact: None }
}

fn data(item: &Item) -> Node {
    let (id, label) = (item.content.clone(), item.path.clone());
    Node { kind: Kind::Data, id, label, artifact: item.artifact.clone() }
}

fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_crdt::Kept;

    use crate::runs::record::{Code, hash};

    fn item(path: &str, bytes: &str) -> Item {
        Item { path: path.into(), content: hash(bytes.as_bytes()), ..Item::default() }
    }

    fn descent(runs: Vec<Run>) -> Descent {
        let mut descent = Descent::default();
        for run in runs {
            descent.add(run, ContentHash([0; 32]));
        }
        descent
    }

    fn runs() -> Vec<Run> {
        let run = |name: &str, started_ms: u64, inputs: Vec<Item>, outputs: Vec<Item>| {
            let code = Code { root: hash(b"code"), branch: "main".into(), ..Code::default() };
            let record =
                Record { name: Some(name.into()), started_ms, inputs, outputs, code, ..Record::default() };
            Run { id: RunId::of(name.as_bytes()), record, local: false, tags: Vec::new() }
        };
        vec![
            run("prepare", 1, vec![item("raw.csv", "raw")], vec![item("data.bin", "data")]),
            run("train", 2, vec![item("in/data.bin", "data")], vec![item("model.bin", "model")]),
            run("other", 3, vec![item("else.csv", "else")], vec![item("else.bin", "else out")]),
        ]
    }

    fn around(descent: &Descent, word: &str, way: Way, hops: Option<usize>) -> Graph {
        Graph::around(descent, &Kept::default(), &descent.find(word).unwrap(), (way, hops)).unwrap()
    }

    fn labels(graph: &Graph) -> BTreeSet<&str> {
        graph.nodes.iter().map(|node| node.label.as_str()).collect()
    }

    #[test]
    fn data_is_one_thing_whatever_it_is_called() {
        let descent = descent(runs());
        let up = around(&descent, "model.bin", Way::Up, None);
        assert_eq!(labels(&up), ["data.bin", "main at ", "model.bin", "prepare", "raw.csv", "train"].into());
        assert_eq!(labels(&around(&descent, "model.bin", Way::Down, None)), ["model.bin"].into());
        let down = around(&descent, &hash(b"raw")[..9], Way::Down, None);
        assert_eq!(labels(&down), ["data.bin", "model.bin", "prepare", "raw.csv", "train"].into());
        let text = up.text();
        assert!(text.find("prepare") < text.find("train") && text.contains("  made data"), "{text}");
        assert_eq!(up.dot().matches(" -> ").count(), up.edges.len());
        assert_eq!(up.svg().matches("<rect").count(), up.nodes.len());
    }

    #[test]
    fn only_so_many_runs_are_passed() {
        let descent = descent(runs());
        let one = around(&descent, "model.bin", Way::Up, Some(1));
        assert_eq!(labels(&one), ["in/data.bin", "main at ", "model.bin", "train"].into());
        assert_eq!(around(&descent, "train", Way::Up, Some(1)).nodes.len(), 3);
        assert!(!one.more && around(&descent, "model.bin", Way::Up, Some(0)).edges.is_empty());
    }

    #[test]
    fn what_thousands_of_runs_read_is_told_in_part_and_so_said() {
        let reader = |at: usize| {
            let mut run = runs().remove(0);
            run.id = RunId::of(&at.to_le_bytes());
            run.record.outputs = vec![item(&format!("{at}.bin"), &format!("out {at}"))];
            run
        };
        let descent = descent((0..NODES_MAX).map(reader).collect());
        let all = around(&descent, "raw.csv", Way::Both, None);
        assert!(all.more && all.nodes.len() == NODES_MAX && all.edges.len() < 2 * NODES_MAX);
        assert!(all.text().ends_with("ask for less\n"));
        let few = around(&descent, "7.bin", Way::Up, None);
        assert!(!few.more && few.nodes.len() == 4);
    }

    #[test]
    fn a_circle_and_hostile_names_are_drawn_all_the_same() {
        let mut runs = runs();
        runs[0].record.inputs = vec![item("m\"<\u{1b}", "model")];
        let all = around(&descent(runs), "train", Way::Both, None);
        assert_eq!(all.nodes.len(), 5);
        assert!(
            !all.dot().contains('\u{1b}') && !all.svg().contains('\u{1b}') && !all.text().contains('\u{1b}')
        );
        assert!(Graph::default().svg().ends_with("</svg>\n"));
    }
}

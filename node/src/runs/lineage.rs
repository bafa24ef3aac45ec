//! Where data came from and what became of it: code and inputs, the run, its outputs, and so on.
//!
//! Data is known by the hash of its bytes, so that what one run writes and another reads is one thing, whatever it is called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::book::{Book, Run};
use super::chart::escaped;
use super::record::Item;

/// The pixels from one node of a drawing to the next, across and down.
const PITCH: (usize, usize) = (240, 56);
/// The pixels of a node.
const BOX: (usize, usize) = (200, 36);
/// How many characters of a label a drawing has room for.
const LABEL_CHARS_MAX: usize = 28;

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

type Name = (Kind, String);

impl Graph {
    /// All that the runs of a book say.
    pub fn of(book: &Book) -> Self {
        let (mut graph, mut places) = (Self::default(), BTreeMap::new());
        for run in &book.runs {
            graph.add(run, &mut places);
        }
        graph
    }

    fn add(&mut self, run: &Run, places: &mut BTreeMap<Name, usize>) {
        let (id, record) = (&run.id, &run.record);
        let name = record.name.clone().unwrap_or_else(|| record.command.join(" "));
        let this =
            self.node(places, Node { kind: Kind::Run, id: id.to_string(), label: name, artifact: None });
        let code = &record.code;
        let heads = code.frontier.iter().map(|head| head.chars().take(12).collect::<String>());
        let label = format!("{} at {}", code.branch, heads.collect::<Vec<_>>().join(" "));
        let from = self.node(places, Node { kind: Kind::Code, id: code.root.clone(), label, artifact: None });
        self.edges.push((from, this));
        for item in &record.inputs {
            let from = self.node(places, data(item));
            self.edges.push((from, this));
        }
        for item in &record.outputs {
            let to = self.node(places, data(item));
            self.edges.push((this, to));
        }
    }

    fn node(&mut self, places: &mut BTreeMap<Name, usize>, node: Node) -> usize {
        let place = *places.entry((node.kind, node.id.clone())).or_insert(self.nodes.len());
        match self.nodes.get_mut(place) {
            Some(known) => known.artifact = known.artifact.take().or(node.artifact),
            None => self.nodes.push(node),
        }
        place
    }

    /// The nodes that a word means: a run, a hash or an artifact by their first digits, or a path.
    pub fn find(&self, word: &str) -> Vec<usize> {
        let is_hash = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let begins = |text: &str| is_hash && text.starts_with(word);
        let is_it = |node: &Node| {
            node.label == word || begins(&node.id) || node.artifact.as_deref().is_some_and(begins)
        };
        self.nodes.iter().enumerate().filter(|(_, node)| is_it(node)).map(|(place, _)| place).collect()
    }

    /// The part that leads to some nodes, or from them.
    pub fn around(&self, starts: &[usize], way: Way) -> Self {
        let (mut ups, mut downs) = (BTreeMap::new(), BTreeMap::new());
        for &(from, to) in &self.edges {
            downs.entry(from).or_insert_with(Vec::new).push(to);
            ups.entry(to).or_insert_with(Vec::new).push(from);
        }
        let mut reached: BTreeSet<usize> = starts.iter().copied().collect();
        for (next, is_asked) in [(&ups, way != Way::Down), (&downs, way != Way::Up)] {
            let mut seen: BTreeSet<usize> = starts.iter().copied().collect();
            let mut open: VecDeque<usize> = starts.iter().copied().filter(|_| is_asked).collect();
            while let Some(at) = open.pop_front() {
                let fresh = next.get(&at).into_iter().flatten().filter(|next| seen.insert(**next));
                open.extend(fresh.copied().collect::<Vec<_>>());
            }
            reached.extend(seen);
        }
        self.only(&reached)
    }

    fn only(&self, kept: &BTreeSet<usize>) -> Self {
        let places: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let nodes = kept.iter().filter_map(|place| self.nodes.get(*place).cloned()).collect();
        let edge = |(from, to): &(usize, usize)| Some((*places.get(from)?, *places.get(to)?));
        Self { nodes, edges: self.edges.iter().filter_map(edge).collect() }
    }

    /// How many steps lead to each node, at most.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.nodes.len()];
        // What goes in a circle, since a record is a lie, ends here.
        for _ in 0..self.nodes.len() {
            let mut is_changed = false;
            for &(from, to) in &self.edges {
                let rank = ranks.get(from).copied().unwrap_or(0) + 1;
                if let Some(known) =
                    ranks.get_mut(to).filter(|known| **known < rank && rank < self.nodes.len())
                {
                    *known = rank;
                    is_changed = true;
                }
            }
            if !is_changed {
                break;
            }
        }
        ranks
    }

    /// As text: each run with what went in and what came out, the first one first.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let ranks = self.ranks();
        let mut runs: Vec<_> =
            self.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Run).collect();
        runs.sort_by_key(|(place, _)| (ranks.get(*place), *place));
        for (place, run) in runs {
            let _ = writeln!(out, "run {} {}", run.id, plain(&run.label));
            for (from, _) in self.edges.iter().filter(|(_, to)| *to == place) {
                let _ = writeln!(out, "  from {}", self.told(*from));
            }
            for (_, to) in self.edges.iter().filter(|(from, _)| *from == place) {
                let _ = writeln!(out, "  made {}", self.told(*to));
            }
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
    use crate::runs::record::{Code, Record, RunId, hash};

    fn item(path: &str, bytes: &str) -> Item {
        Item { path: path.into(), content: hash(bytes.as_bytes()), ..Item::default() }
    }

    fn book() -> Book {
        let run = |name: &str, inputs: Vec<Item>, outputs: Vec<Item>| {
            let code = Code { root: "c0de".repeat(16), branch: "main".into(), ..Code::default() };
            let record = Record { name: Some(name.into()), inputs, outputs, code, ..Record::default() };
            Run { id: RunId::of(name.as_bytes()), record, local: false, tags: Vec::new() }
        };
        let runs = vec![
            run("prepare", vec![item("raw.csv", "raw")], vec![item("data.bin", "data")]),
            run("train", vec![item("in/data.bin", "data")], vec![item("model.bin", "model")]),
            run("other", vec![item("else.csv", "else")], vec![item("else.bin", "else out")]),
        ];
        Book { runs, strays: Vec::new() }
    }

    fn labels(graph: &Graph) -> BTreeSet<&str> {
        graph.nodes.iter().map(|node| node.label.as_str()).collect()
    }

    #[test]
    fn data_is_one_thing_whatever_it_is_called() {
        let graph = Graph::of(&book());
        let model = graph.find("model.bin");
        let up = graph.around(&model, Way::Up);
        assert_eq!(labels(&up), ["data.bin", "main at ", "model.bin", "prepare", "raw.csv", "train"].into());
        assert_eq!(labels(&graph.around(&model, Way::Down)), ["model.bin"].into());
        let raw = graph.find(&hash(b"raw")[..8]);
        assert_eq!(
            labels(&graph.around(&raw, Way::Down)),
            ["data.bin", "model.bin", "prepare", "raw.csv", "train"].into()
        );
        let text = up.text();
        assert!(text.find("prepare") < text.find("train") && text.contains("  made data"), "{text}");
        assert_eq!(up.dot().matches(" -> ").count(), up.edges.len());
        assert_eq!(up.svg().matches("<rect").count(), up.nodes.len());
    }

    #[test]
    fn a_circle_and_hostile_names_are_drawn_all_the_same() {
        let mut book = book();
        book.runs[0].record.inputs = vec![item("m\"<\u{1b}", "model")];
        let graph = Graph::of(&book);
        let all = graph.around(&graph.find("train"), Way::Both);
        assert!(
            !all.dot().contains('\u{1b}') && !all.svg().contains('\u{1b}') && !all.text().contains('\u{1b}')
        );
        assert!(Graph::default().svg().ends_with("</svg>\n"));
    }
}

//! The query files as they are read: a part of tree-sitter's query language.
//!
//! tree-sitter's own engine first works out which patterns can match at all; for C++ that
//! takes longer than parsing a megabyte, each time a program starts. What names and bodies
//! need is little: a kind of node, its fields, its children in order, one of several. Here the first
//! child that fits is taken, and nothing is tried again, so that asking about a node costs
//! no more than looking at its children once for each pattern.

use std::num::NonZeroU16;

use tree_sitter::{Language, Node};

/// What a pattern looks for.
pub(super) struct Pattern {
    pub(super) shape: Shape,
    /// The captures, by number.
    pub(super) captures: Vec<usize>,
    /// Whether it may be missing.
    maybe: bool,
}

/// Which nodes a pattern is about.
pub(super) enum Shape {
    /// Any node.
    Any,
    /// Any node with a name.
    Named,
    /// A node of one kind, and what must be in it.
    Kind(u16, Vec<Step>),
    /// The first that fits.
    OneOf(Vec<Pattern>),
}

/// What must be among the children of a node.
pub(super) enum Step {
    /// A child; `next` says that it must be the next one that is no comment.
    Child { next: bool, field: Option<NonZeroU16>, pattern: Pattern },
    /// No child has this field.
    Absent(NonZeroU16),
}

/// What the text of a capture must be.
pub(super) enum Check {
    /// One of these.
    AnyOf(usize, Vec<String>),
    /// Something that begins with one of these.
    Begins(usize, Vec<String>),
}

/// One pattern of a file.
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) extra: Extra,
}

/// What a pattern says as a whole.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) checks: Vec<Check>,
    /// What `#set!` says.
    pub(super) settings: Vec<(String, String)>,
}

/// A node of the tree, and the field that it is.
type Child<'tree> = (Node<'tree>, Option<NonZeroU16>);

/// The nodes that captures found.
pub(super) type Captured<'tree> = Vec<(usize, Node<'tree>)>;

impl Pattern {
    /// Whether a node fits; what is captured is added to `found`.
    pub(super) fn fits<'tree>(&self, node: Node<'tree>, found: &mut Captured<'tree>) -> bool {
        let before = found.len();
        found.extend(self.captures.iter().map(|capture| (*capture, node)));
        let fits = match &self.shape {
            Shape::Any => true,
            Shape::Named => node.is_named(),
            Shape::Kind(kind, steps) => node.kind_id() == *kind && has_children(node, steps, found),
            Shape::OneOf(patterns) => patterns.iter().any(|pattern| pattern.fits(node, found)),
        };
        if !fits {
            found.truncate(before);
        }
        fits
    }
}

/// Whether the children of a node are as `steps` want them.
fn has_children<'tree>(node: Node<'tree>, steps: &[Step], found: &mut Captured<'tree>) -> bool {
    if steps.is_empty() {
        return true;
    }
    let children = children(node);
    let mut at = 0;
    steps.iter().all(|step| match step {
        Step::Absent(absent) => children.iter().all(|(_, field)| *field != Some(*absent)),
        Step::Child { next, field, pattern } => {
            let rest = children.get(at..).unwrap_or_default();
            let place = match next {
                true => rest.iter().position(is_next).filter(|place| {
                    rest.get(*place).is_some_and(|child| pattern.fits_as(*field, child, found))
                }),
                false => rest.iter().position(|child| pattern.fits_as(*field, child, found)),
            };
            at += place.map_or(0, |place| place + 1);
            place.is_some() || pattern.maybe
        }
    })
}

impl Pattern {
    fn fits_as<'tree>(
        &self,
        field: Option<NonZeroU16>,
        child: &Child<'tree>,
        found: &mut Captured<'tree>,
    ) -> bool {
        (field.is_none() || field == child.1) && self.fits(child.0, found)
    }
}

fn is_next(child: &Child<'_>) -> bool {
    child.0.is_named() && !child.0.is_extra()
}

fn children(node: Node<'_>) -> Vec<Child<'_>> {
    let mut cursor = node.walk();
    let mut children = Vec::new();
    let mut more = cursor.goto_first_child();
    while more {
        children.push((cursor.node(), cursor.field_id()));
        more = cursor.goto_next_sibling();
    }
    children
}

/// Reads a query file.
pub(super) fn read(grammar: &Language, text: &str) -> Result<(Vec<Rule>, Vec<String>), String> {
    let mut reader = Reader { grammar, rest: text, captures: Vec::new() };
    let mut rules = Vec::new();
    while reader.peek().is_some() {
        rules.push(reader.rule()?);
    }
    Ok((rules, reader.captures))
}

struct Reader<'a> {
    grammar: &'a Language,
    rest: &'a str,
    captures: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The next character that is no blank and in no comment.
    fn peek(&mut self) -> Option<char> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with(';') {
                return self.rest.chars().next();
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let eats = self.peek() == Some(wanted);
        if eats {
            self.rest = self.rest.strip_prefix(wanted).unwrap_or_default();
        }
        eats
    }

    fn need(&mut self, wanted: char) -> Result<(), String> {
        if self.eat(wanted) { Ok(()) } else { Err(self.error(&format!("{wanted} expected"))) }
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at {:?}", self.rest.chars().take(40).collect::<String>())
    }

    fn word(&mut self) -> Result<&'a str, String> {
        self.peek();
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Err(self.error("a word expected")) } else { Ok(word) }
    }

    fn string(&mut self) -> Result<String, String> {
        self.need('"')?;
        let (text, rest) = self.rest.split_once('"').ok_or_else(|| self.error("an open string"))?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn capture(&mut self) -> Result<usize, String> {
        self.need('@')?;
        let end =
            self.rest.find(|c: char| c.is_whitespace() || matches!(c, ')' | ']')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let known = self.captures.iter().position(|other| other == name);
        Ok(known.unwrap_or_else(|| {
            self.captures.push(name.to_owned());
            self.captures.len() - 1
        }))
    }

    /// A pattern, or a pattern and its predicates in brackets.
    fn rule(&mut self) -> Result<Rule, String> {
        let mut rule = Rule { pattern: Pattern::of(Shape::Any), extra: Extra::default() };
        self.peek();
        let before = self.rest;
        if self.eat('(') && matches!(self.peek(), Some('(' | '[')) {
            rule.pattern = self.pattern(&mut rule.extra)?;
            while self.peek() == Some('(') {
                self.predicate(&mut rule.extra)?;
            }
            self.need(')')?;
            while self.peek() == Some('@') {
                rule.pattern.captures.push(self.capture()?);
            }
        } else {
            self.rest = before;
            rule.pattern = self.pattern(&mut rule.extra)?;
        }
        Ok(rule)
    }

    fn pattern(&mut self, extra: &mut Extra) -> Result<Pattern, String> {
        let mut pattern = Pattern::of(Shape::Any);
        if self.eat('[') {
            let mut patterns = Vec::new();
            while !self.eat(']') {
                patterns.push(self.pattern(extra)?);
            }
            pattern.shape = Shape::OneOf(patterns);
        } else if self.eat('(') {
            pattern.shape = self.kind(extra)?;
        } else if self.word()? != "_" {
            return Err(self.error("a pattern expected before"));
        }
        pattern.maybe = self.eat('?');
        while self.peek() == Some('@') {
            pattern.captures.push(self.capture()?);
        }
        Ok(pattern)
    }

    /// What stands in brackets: a kind of node and what is in it.
    fn kind(&mut self, extra: &mut Extra) -> Result<Shape, String> {
        let word = self.word()?;
        let mut steps = Vec::new();
        while !self.eat(')') {
            if self.rest.starts_with("(#") {
                self.predicate(extra)?;
            } else if self.eat('!') {
                let field = self.word()?;
                steps.push(Step::Absent(self.field(field)?));
            } else {
                steps.push(self.child(extra)?);
            }
        }
        if word == "_" {
            return Ok(Shape::Named);
        }
        let kind = self.grammar.id_for_node_kind(word, true);
        if kind == 0 { Err(self.error(&format!("no kind {word}"))) } else { Ok(Shape::Kind(kind, steps)) }
    }

    fn child(&mut self, extra: &mut Extra) -> Result<Step, String> {
        let next = self.eat('.');
        let mut field = None;
        if self.peek().is_some_and(|c| c.is_alphabetic()) {
            let word = self.word()?;
            self.need(':')?;
            field = Some(self.field(word)?);
        }
        Ok(Step::Child { next, field, pattern: self.pattern(extra)? })
    }

    fn field(&self, name: &str) -> Result<NonZeroU16, String> {
        let field = self.grammar.field_id_for_name(name);
        field.ok_or_else(|| self.error(&format!("no field {name}")))
    }

    fn predicate(&mut self, extra: &mut Extra) -> Result<(), String> {
        self.need('(')?;
        self.need('#')?;
        let what = self.word()?;
        if what == "set" {
            self.need('!')?;
            extra.settings.push((self.word()?.to_owned(), self.string()?));
            return self.need(')');
        }
        self.need('?')?;
        self.peek();
        let capture = self.capture()?;
        let mut texts = Vec::new();
        while self.peek() == Some('"') {
            texts.push(self.string()?);
        }
        extra.checks.push(match what {
            "any-of" => Check::AnyOf(capture, texts),
            "begins" => Check::Begins(capture, texts),
            _ => return Err(self.error(&format!("no predicate {what}"))),
        });
        self.need(')')
    }
}

impl Pattern {
    fn of(shape: Shape) -> Self {
        Self { shape, captures: Vec::new(), maybe: false }
    }

    /// The captures in it, each as often as it comes.
    pub(super) fn all_captures(&self) -> Vec<usize> {
        let inside: Vec<_> = match &self.shape {
            Shape::Any | Shape::Named => Vec::new(),
            Shape::OneOf(patterns) => patterns.iter().flat_map(Pattern::all_captures).collect(),
            Shape::Kind(_, steps) => steps.iter().flat_map(Step::all_captures).collect(),
        };
        self.captures.iter().copied().chain(inside).collect()
    }

    /// The kinds of nodes that may fit, if they are known.
    pub(super) fn kinds(&self) -> Vec<u16> {
        match &self.shape {
            Shape::Kind(kind, _) => vec![*kind],
            Shape::OneOf(patterns) => patterns.iter().flat_map(Pattern::kinds).collect(),
            Shape::Any | Shape::Named => Vec::new(),
        }
    }
}

impl Step {
    fn all_captures(&self) -> Vec<usize> {
        match self {
            Step::Child { pattern, .. } => pattern.all_captures(),
            Step::Absent(_) => Vec::new(),
        }
    }
}

impl Check {
    /// Whether what was captured is as it must be.
    pub(super) fn holds(&self, found: &Captured<'_>, bytes: &[u8]) -> bool {
        let (Check::AnyOf(capture, _) | Check::Begins(capture, _)) = self;
        let mut texts = found.iter().filter(|(other, _)| other == capture);
        texts.all(|(_, node)| {
            let text = bytes.get(node.byte_range()).unwrap_or_default();
            match self {
                Check::AnyOf(_, wanted) => wanted.iter().any(|wanted| text == wanted.as_bytes()),
                Check::Begins(_, wanted) => wanted.iter().any(|wanted| text.starts_with(wanted.as_bytes())),
            }
        })
    }
}

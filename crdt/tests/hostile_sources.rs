//! Sources that nobody would write: one scrap of text again and again, nests without an end,
//! halves of things, in every language. Each is cut into pieces that cover it, and nothing hangs.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the long run tells what was slow")]

use cairn_crdt::languages::name_of;
use cairn_crdt::op::Cut;
use cairn_crdt::syntax::cut;

/// What is said again and again.
const SCRAPS: &[&str] = &[
    "(",
    "[",
    "{",
    ")",
    "]",
    "}",
    "()",
    "[]",
    "{}",
    "({[",
    "a(",
    "a[",
    "a{",
    "(a,",
    "[a,",
    "{a:",
    "{\"a\":",
    "[[",
    "{{",
    "<",
    ">",
    "<a>",
    "</a>",
    "<a ",
    "<div>",
    "<p>",
    "<ul><li>",
    "<my-tag>",
    "<b id=x>\n",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "<?php ",
    "?>",
    "<script>",
    "<T",
    "a<b",
    "a<b>",
    "a<b,",
    "::",
    "a::b<",
    "\"",
    "'",
    "`",
    "\"\"\"",
    "'''",
    "f\"{",
    "$\"{",
    "\"#{",
    "`${",
    "$(",
    "$((",
    "${",
    "${a",
    "`a`",
    "<<A\n",
    "<<~A\n",
    "<<<A\n",
    "<<A\n#{",
    "R\"(",
    "r#\"",
    "@\"",
    "%w(",
    "%(",
    "/a/",
    "/",
    "/*",
    "*/",
    "//",
    "//\n",
    "# a\n",
    "#",
    "##",
    "# ",
    "-- ",
    "a ",
    "a\n",
    "a\n\n",
    "a.",
    "a->",
    "a?b:",
    "a?.",
    "?",
    "!",
    "!!",
    "-",
    "--",
    "- ",
    "-\n",
    "- a\n",
    "+",
    "+ ",
    "*",
    "**",
    "* ",
    "_a_",
    "**a",
    "~",
    "~~",
    "> ",
    ">",
    "1. ",
    "a\n===\n",
    "---\n",
    "```\n",
    "```",
    "|a|b|\n",
    "|-|-|\n",
    "[a](",
    "[a]: b\n",
    "![",
    "- [ ] a\n",
    "\t",
    " ",
    "  ",
    "\r",
    "\r\n",
    "\n",
    "\\",
    "\\\n",
    "\u{b}\n",
    "\u{feff}",
    "a:",
    "a: ",
    "a: b\n",
    "a:\n",
    " :b",
    " a:b",
    ":",
    ": ",
    "&a ",
    "*a ",
    "!!a ",
    "? ",
    "? a\n: b\n",
    "[a\n",
    "{a: ",
    "|\n",
    ">\n",
    "a: |\n",
    "a: >\n b\n",
    "a = 1\n",
    "[a]\n",
    "[[a]]\n",
    "a.b.c = ",
    "a = [",
    "fn ",
    "fn a(",
    "fn a() {",
    "fn a() {}\n",
    "struct A {",
    "impl A {",
    "mod a {",
    "#[a]\n",
    "#[",
    "macro_rules! a {",
    "|a|",
    "&&",
    "&mut ",
    "a!{",
    "a!(",
    "'a ",
    "'a'",
    "def a():\n",
    "def a(",
    "class A:\n",
    "class A {",
    "class A\n",
    "@a\n",
    "lambda a:",
    "not ",
    "if a:\n",
    "if a {",
    "if (",
    "if a then ",
    "else ",
    "for ",
    "while (",
    "while a do ",
    "case a in ",
    "switch (a) {",
    "try {",
    "begin ",
    "do ",
    "end ",
    "end\n",
    "then ",
    "fi ",
    "done ",
    "esac ",
    "function a() {",
    "function ",
    "async ",
    "await ",
    "yield ",
    "=>",
    "a=>",
    "(a)=>",
    "const a = ",
    "let a\n",
    "var a = function () {",
    "export ",
    "import ",
    "export default ",
    "new ",
    "return ",
    "typeof ",
    "a as ",
    "a extends b ? ",
    "a | ",
    "keyof ",
    "<T extends ",
    "interface A {",
    "enum A {",
    "namespace a {",
    "declare ",
    "type A = ",
    "func a() {",
    "func (a A) ",
    "type A struct {",
    "chan ",
    "<-",
    "package a\n",
    "public ",
    "@A(",
    "@A ",
    "static ",
    "void a() {",
    "int a;\n",
    "int a(",
    "int (*",
    "* ",
    "typedef ",
    "struct {",
    "#if\n",
    "#if A\n",
    "#ifdef A\n",
    "#else\n",
    "#endif\n",
    "#define a \\\n",
    "#define a\n",
    "template <",
    "operator ",
    "using ",
    "extern \"C\" {",
    "~A() {",
    "#region\n",
    "#elif A\n",
    "module A\n",
    "->(a) {",
    "a do |b|\n",
    "<?",
    "$a",
    "$a = ",
    "$a->",
    "use a\\b;",
    "@media a {",
    "a {",
    "a { b: c }\n",
    "a, ",
    "a > ",
    "a:not(",
    "::before",
    "@a ",
    "@a;",
    "--a: ",
    "url(",
    "!important",
    "0",
    "0x",
    "1e",
    "1,",
    "1 ",
    "é",
    "日本",
    "\u{1f600}",
    "null,",
    "true",
];

/// One after the other, and then as many of its kind that close.
fn sources(bytes: usize) -> impl Iterator<Item = (String, String)> {
    let close = |scrap: &str| {
        let closers = scrap.chars().rev().filter_map(|c| match c {
            '(' => Some(')'),
            '[' => Some(']'),
            '{' => Some('}'),
            _ => None,
        });
        closers.collect::<String>()
    };
    SCRAPS.iter().flat_map(move |scrap| {
        let times = bytes / scrap.len();
        let again = scrap.repeat(times);
        let lines = format!("{scrap}\n").repeat(bytes / (scrap.len() + 1));
        let nested = format!("{}{}", scrap.repeat(times / 2), close(scrap).repeat(times / 2));
        let few = format!("{}{}\n", scrap.repeat(190), close(scrap).repeat(190))
            .repeat(bytes / 190 / (2 * scrap.len()) + 1);
        let deeper: String =
            (0..(bytes as f64).sqrt() as usize).map(|n| format!("{}{scrap}\n", " ".repeat(n))).collect();
        let forms =
            [("again", again), ("lines", lines), ("nested", nested), ("few", few), ("deeper", deeper)];
        forms.map(|(form, text)| (format!("{form} {scrap:?}"), text))
    })
}

fn covers(cuts: &[Cut], bytes: usize) -> bool {
    let mut end = 0;
    let leaf = |index: usize| cuts.get(index + 1).is_none_or(|next| next.depth <= cuts[index].depth);
    let fits = cuts.iter().enumerate().all(|(index, cut)| {
        let fits = cut.start == end;
        if leaf(index) {
            end = cut.end;
        }
        fits
    });
    fits && end as usize == bytes
}

fn codecs() -> impl Iterator<Item = u16> {
    (2..).take_while(|codec| name_of(*codec).is_some())
}

#[test]
fn scraps_are_cut_in_every_language() {
    for (number, (name, text)) in sources(1000).enumerate() {
        for codec in codecs().filter(|codec| (usize::from(*codec) + number).is_multiple_of(7)) {
            let (_, cuts) = cut(codec, text.as_bytes());
            assert!(covers(&cuts, text.len()), "{name} as {:?}", name_of(codec));
        }
    }
}

#[test]
#[ignore = "long; prints what took long for a text of 1 MB"]
fn scraps_of_a_megabyte() {
    for codec in codecs() {
        for (name, text) in sources(1 << 20) {
            let start = std::time::Instant::now();
            let (by, cuts) = cut(codec, text.as_bytes());
            let took = start.elapsed();
            assert!(covers(&cuts, text.len()), "{name} as {:?}", name_of(codec));
            if took.as_millis() > 700 {
                println!(
                    "{:?} {took:.1?} {} {name}",
                    name_of(codec).unwrap_or_default(),
                    if by == codec { "cut" } else { "lines" }
                );
            }
        }
    }
}

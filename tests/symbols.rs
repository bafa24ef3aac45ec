//! Differences and history by item: what a reviewer asks first.

use crate::harness::{Node, Stage};
use serde_json::Value;

const LIB: &str = "use std::fmt;\n\nfn parse(text: &str) -> u32 {\n    text.trim().parse().unwrap_or(0)\n}\n\nfn show(number: u32) -> String {\n    format!(\"<{number}>\")\n}\n\nfn last() {\n    println!(\"the last one\");\n}\n";
const CONFIG: &str = "[optimizer]\nlr = 0.1\nkind = \"adam\"\n";

fn founder(stage: &Stage) -> Node {
    stage.founder("ana", &[("src/lib.rs", LIB.as_bytes()), ("train.toml", CONFIG.as_bytes())])
}

/// The differences by item, each as a few words.
fn symbols(diff: &Value) -> Vec<String> {
    let one = |symbol: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = |at: &Value| format!("{}#{}", text(&at["path"]), text(&at["symbol"]));
        let from = if symbol["from"].is_object() { name(&symbol["from"]) + " > " } else { String::new() };
        let values = match (symbol["old"].as_str(), symbol["new"].as_str()) {
            (None, None) => String::new(),
            (old, new) => format!(" {} {}", old.unwrap_or("-"), new.unwrap_or("-")),
        };
        let edited = if symbol["edited"] == true { " edited" } else { "" };
        format!("{} {from}{}{values}{edited}", text(&symbol["change"]), name(symbol))
    };
    diff["symbols"].as_array().unwrap().iter().map(one).collect()
}

fn history(node: &Node, what: &str) -> Vec<String> {
    let log = node.ok(&["log", what]);
    let list = log["waypoints"].as_array().unwrap();
    list.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_difference_is_told_by_item_and_by_key_on_disk_and_in_history_alike() {
    let stage = Stage::new();
    let ana = founder(&stage);
    let base = ana.root();
    ana.edit("src/lib.rs", "unwrap_or(0)", "unwrap_or(1)");
    ana.edit("src/lib.rs", "fn show(", "fn display(");
    ana.edit("train.toml", "lr = 0.1", "lr = 0.01");
    ana.write("src/new.rs", "fn last() {\n    println!(\"the last one\");\n}\n");
    ana.edit("src/lib.rs", "\nfn last() {\n    println!(\"the last one\");\n}\n", "");
    let wanted = [
        "changed src/lib.rs#fn(parse)",
        "renamed src/lib.rs#fn(show) > src/lib.rs#fn(display)",
        "moved src/lib.rs#fn(last) > src/new.rs#fn(last)",
        "changed train.toml#optimizer.lr 0.1 0.01",
    ];
    let first = ana.ok(&["log"])["waypoints"][0]["waypoint"].as_str().unwrap().to_owned();
    let disk = ana.run(&["diff"]);
    assert_eq!((disk.code, symbols(&disk.json)), (1, wanted.map(str::to_owned).to_vec()), "{disk:#?}");
    assert!(
        disk.json["files"][0]["text"].as_str().unwrap().contains("+    text.trim().parse().unwrap_or(1)")
    );
    let second = ana.post("second");
    let between = ana.run(&["diff", &format!("?{first}"), &format!("?{second}")]);
    assert_eq!(symbols(&between.json), wanted, "{between:#?}");
    let show = ana.ok(&["show", &format!("?{second}")]);
    assert_eq!(symbols(&show), wanted);
    assert_ne!(base, ana.root());
}

#[test]
fn a_renamed_file_is_one_file() {
    let stage = Stage::new();
    let ana = founder(&stage);
    std::fs::rename(ana.tree.join("src/lib.rs"), ana.tree.join("src/core.rs")).unwrap();
    ana.edit("src/core.rs", "unwrap_or(0)", "unwrap_or(1)");
    let told = |diff: &Value| {
        let file = &diff["files"][0];
        assert_eq!(diff["files"].as_array().map(Vec::len), Some(1), "{diff}");
        assert_eq!(
            (&file["kind"], &file["from"], &file["path"]),
            (&"renamed".into(), &"src/lib.rs".into(), &"src/core.rs".into())
        );
        assert_eq!(symbols(diff), ["changed src/core.rs#fn(parse)"]);
    };
    told(&ana.run(&["diff"]).json);
    let renamed = ana.post("renamed");
    let show = ana.ok(&["show", &format!("?{renamed}")]);
    assert_eq!(show["changes"][0]["kind"], "renamed");
    assert_eq!(history(&ana, "src/core.rs"), ["renamed", "first"]);
    assert_eq!(history(&ana, "src/core.rs#fn(parse)"), ["renamed", "first"]);
    assert_eq!(history(&ana, "src/core.rs#fn(show)"), ["first"]);
}

#[test]
fn an_item_and_a_key_have_their_own_history() {
    let stage = Stage::new();
    let ana = founder(&stage);
    assert_eq!(history(&ana, "src/lib.rs#parse"), ["first"]);
    ana.edit("src/lib.rs", "unwrap_or(0)", "unwrap_or(1)");
    ana.post("parse");
    ana.edit("src/lib.rs", "<{number}>", "[{number}]");
    ana.post("show");
    ana.edit("train.toml", "lr = 0.1", "lr = 0.01");
    ana.post("rate");
    ana.edit("train.toml", "adam", "sgd");
    ana.post("kind");
    ana.edit("src/lib.rs", "fn parse", "fn read");
    ana.post("name");
    assert_eq!(history(&ana, "src/lib.rs#fn(read)"), ["name", "parse", "first"]);
    assert_eq!(history(&ana, "src/lib.rs#show"), ["show", "first"]);
    assert_eq!(history(&ana, "src/lib.rs"), ["name", "show", "parse", "first"]);
    assert_eq!(history(&ana, "train.toml#optimizer.lr"), ["rate", "first"]);
    assert_eq!(history(&ana, "src"), ["name", "show", "parse", "first"]);
    ana.refused(&["log", "src/lib.rs#nothing"], 3);
    ana.refused(&["log", "src/gone.rs"], 3);
    ana.refused(&["log", "#parse"], 2);
}

//! Experiments: recorded, listed, shared, reproduced, compared; and records that lie.

use crate::harness::{Node, Stage, told, wait_until};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// A program that reads data and a parameter, and writes a model and metrics; the same bytes for the same input.
const TRAIN: &str = "\
rate=$1
rows=$(wc -l < data/x.csv)
for step in 1 2 3 4; do
  echo \"cairn: loss=$(awk \"BEGIN{print $rows*$rate/$step}\") step=$step\"
done
awk \"BEGIN{for(i=0;i<2000;i++)print i*$rate}\" > model.bin
echo \"{\\\"acc\\\": $(awk \"BEGIN{print 1-$rate}\"), \\\"of\\\": {\\\"rows\\\": $rows}}\" > metrics.json
";

fn lab(stage: &Stage, name: &str) -> Node {
    let files: [(&str, &[u8]); 2] = [("train.sh", TRAIN.as_bytes()), (".gitignore", b"data/\n*.bin\n")];
    let node = stage.founder(name, &files);
    node.write("data/x.csv", "1\n2\n3\n");
    node
}

/// Runs the program; what was recorded.
fn train(node: &Node, rate: &str, name: &str) -> Value {
    let param = format!("rate={rate}");
    let words = ["run", "--input", "data/*.csv", "--output", "*.bin", "--metrics", "metrics.json", "--param"];
    node.ok(&[&words, &[&param, "--name", name, "--", "sh", "train.sh", rate][..]].concat())
}

fn shown(node: &Node, run: &str) -> Value {
    node.ok(&["run", "show", run])
}

#[test]
fn a_run_is_recorded_with_all_that_it_was() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    node.edit("train.sh", "rate=$1", "rate=$1 # as given");
    let recorded = train(&node, "0.25", "first");
    assert_eq!((&recorded["state"], &recorded["local"]), (&"done".into(), &false.into()), "{recorded:#}");
    let run = recorded["run"].as_str().unwrap();
    let shown = shown(&node, run);
    let record = &shown["record"];
    // The edit was posted before anything ran.
    assert_eq!(record["code"]["frontier"], node.branch().1);
    assert_eq!(
        node.ok(&["show", "train.sh?main"])["file"]["text"],
        TRAIN.replace("rate=$1", "rate=$1 # as given")
    );
    assert_eq!(record["metrics"], serde_json::json!({ "acc": 0.75, "loss": 0.1875, "of.rows": 3.0 }));
    assert_eq!(record["params"], serde_json::json!({ "rate": 0.25 }));
    assert_eq!(record["command"], serde_json::json!(["sh", "train.sh", "0.25"]));
    assert_eq!(shown["series"]["loss"].as_array().unwrap().len(), 4);
    assert!(shown["log"].as_str().unwrap().contains("loss=0.75 step=1"));
    let hash = |path: &str| blake3::hash(&node.read(path)).to_hex().to_string();
    for (list, path) in [("inputs", "data/x.csv"), ("outputs", "model.bin")] {
        let item = &record[list][0];
        assert_eq!((&item["path"], &item["content"]), (&path.into(), &hash(path).into()));
        assert!(item["artifact"].is_string() && item["declared"] == true, "{item}");
    }
    assert_eq!(record["outputs"].as_array().unwrap().len(), 1, "{record:#}");
    let host = &record["environment"]["host"];
    assert!(host["cores"].as_u64().unwrap() > 0 && host["memory_bytes"].as_u64().unwrap() > 0, "{host}");
    // The record is a file whose name is the hash of its bytes.
    let text =
        node.ok(&["show", &format!("runs/{run}.json?runs")])["file"]["text"].as_str().unwrap().to_owned();
    assert_eq!(&blake3::hash(text.as_bytes()).to_hex()[..16], run);
    assert_eq!(node.ok(&["verify", "--deep"])["ok"], true);
}

#[test]
fn runs_are_asked_for_by_what_they_are() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    for (rate, name) in [("0.5", "half"), ("0.25", "quarter")] {
        train(&node, rate, name);
    }
    let names = |filter: &str| -> Vec<String> {
        let listed = node.ok(&["run", "log", "--where", filter]);
        let runs = listed["runs"].as_array().unwrap().iter();
        runs.map(|run| run["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("metrics.acc > 0.6 and params.rate < 1"), ["quarter"]);
    assert_eq!(names("not (name = 'quarter') or seconds < 0"), ["half"]);
    assert_eq!(names("command ~ 'train.sh' and state = 'done'"), ["quarter", "half"]);
    let refused = node.refused(&["run", "log", "--where", "acc > 1"], 2);
    assert!(refused["message"].as_str().unwrap().contains("no column acc"), "{refused}");
    let diff = node.run(&["run", "diff", "half", "quarter"]);
    assert_eq!(diff.code, 1);
    assert_eq!(diff.json["params"][0], serde_json::json!({ "name": "rate", "then": 0.5, "now": 0.25 }));
    assert_eq!(diff.json["outputs"][0]["path"], "model.bin");
    assert_eq!(node.run(&["run", "diff", "half", "half"]).code, 0);
    node.ok(&["run", "tag", "half", "baseline"]);
    node.ok(&["run", "tag", "quarter", "bad"]);
    node.ok(&["run", "tag", "quarter", "bad", "--remove"]);
    assert_eq!(names("tag.baseline and not tag.bad"), ["half"]);
    assert_eq!(names("tag.bad"), [""; 0]);
    let svg = stage.path().join("loss.svg");
    node.ok(&["run", "show", "last", "--plot", "loss", "--svg", svg.to_str().unwrap()]);
    assert!(fs::read_to_string(svg).unwrap().contains("<polyline"));
    node.refused(&["run", "show", "last", "--plot", "nothing"], 3);
    let artifacts = node.ok(&["artifact", "ls", "--where", "metrics.acc < 0.6"]);
    let models = artifacts["artifacts"].as_array().unwrap();
    assert!(
        models.len() == 1 && models[0]["name"].as_str().unwrap().ends_with("/out/model.bin"),
        "{models:?}"
    );
}

#[test]
fn two_models_are_compared_with_the_runs_that_made_them() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let model = |rate: &str, name: &str| {
        train(&node, rate, name);
        let record = &shown(&node, name)["record"];
        record["outputs"][0]["artifact"].as_str().unwrap().to_owned()
    };
    let then = model("0.5", "half");
    node.edit("train.sh", "1-$rate", "1 - $rate");
    model("0.25", "quarter");
    // Under a name of its own it is another artifact, and was made by the same run.
    node.ok(&["artifact", "add", node.tree.join("model.bin").to_str().unwrap(), "--name", "best"]);
    let told = node.ok(&["artifact", "diff", &then, "best"]);
    assert_eq!(told["same"], false);
    let runs = &told["runs"];
    assert_eq!(runs["params"], serde_json::json!([{ "name": "rate", "then": 0.5, "now": 0.25 }]), "{told:#}");
    let metrics: Vec<_> = runs["metrics"].as_array().unwrap().iter().map(|metric| &metric["name"]).collect();
    assert_eq!(metrics, ["acc", "loss"]);
    assert_eq!(runs["code"]["files"][0]["path"], "train.sh");
    let mut words = node.command_in_words();
    let words = words.args(["artifact", "diff", &then, "best"]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("made by run") && words.contains("rate  0.5  →  0.25"), "{words}");
    assert!(node.ok(&["artifact", "diff", &then, &then])["runs"].is_null());
}

#[test]
fn lineage_leads_over_runs_by_what_files_hold() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    train(&node, "0.25", "train");
    let copy = ["run", "--input", "model.bin", "--output", "report.txt", "--name", "report", "--"];
    node.ok(&[&copy[..], &["sh", "-c", "wc -c < model.bin > report.txt"]].concat());
    let labels = |words: &[&str]| -> Vec<String> {
        let traced = node.ok(&[&["artifact", "lineage"], words].concat());
        let nodes = traced["graph"]["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["kind"] != "code")
            .map(|node| node["label"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(labels(&["report.txt", "--up"]), ["train", "data/x.csv", "model.bin", "report", "report.txt"]);
    assert_eq!(labels(&["report", "--down"]), ["report", "report.txt"]);
    let dot = node.run(&["artifact", "lineage", "data/x.csv", "--down", "--format", "dot"]);
    assert!(dot.stdout.starts_with("digraph") && dot.stdout.contains("report.txt"), "{dot:#?}");
    let artifact = shown(&node, "train")["record"]["outputs"][0]["artifact"].as_str().unwrap().to_owned();
    let about = node.ok(&["artifact", "show", &artifact]);
    let (made, read) = (about["made_by"].as_array().unwrap(), about["read_by"].as_array().unwrap());
    assert_eq!((made.len(), read.len()), (1, 1), "{about:#}");
    assert_eq!(node.ok(&["artifact", "diff", &artifact, &artifact])["same"], true);
    // The same bytes under a name of their own are another artifact, and the same data.
    node.ok(&["artifact", "add", node.tree.join("model.bin").to_str().unwrap(), "--name", "best model"]);
    assert_eq!(labels(&["best model", "--up"]), labels(&["model.bin", "--up"]));
    assert_eq!(labels(&["report.txt", "--up", "--hops", "1"]), ["report", "model.bin", "report.txt"]);
}

/// What is kept of descent beside the store of a node.
fn kept(node: &Node) -> std::path::PathBuf {
    let repo = fs::read_dir(node.home.join("repos")).unwrap().next().unwrap().unwrap().path();
    let mut files = fs::read_dir(repo).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("descent-")).unwrap()
}

#[test]
fn lineage_is_the_same_whatever_becomes_of_what_is_kept_of_it() {
    let stage = Stage::new();
    let (node, other) = (lab(&stage, "ana"), lab(&stage, "ben"));
    let runs: Vec<Value> = ["0.25", "0.5"].map(|rate| train(&node, rate, &format!("at {rate}"))).into();
    train(&other, "0.25", "other");
    let ask = |node: &Node| {
        let asked = [&["data/x.csv"][..], &["model.bin", "--up"], &["last"], &["at 0.25", "--down"]];
        asked.map(|words| node.run(&[&["artifact", "lineage"], words].concat()).json)
    };
    let (two, file) = (ask(&node), {
        ask(&other);
        kept(&other)
    });
    let of_other = fs::read(file).unwrap();
    let file = kept(&node);
    let of_two = fs::read(&file).unwrap();
    assert_eq!(two[0]["graph"]["nodes"].as_array().unwrap().len(), 5, "{two:#?}");
    // Gone, cut short, no such thing at all, of another store.
    fs::remove_file(&file).unwrap();
    assert_eq!(ask(&node), two);
    for bytes in [&of_two[..of_two.len() / 2], b"junk", &of_other] {
        fs::write(&file, bytes).unwrap();
        assert_eq!(ask(&node), two);
    }
    // Behind the store, as after a crash in between.
    train(&node, "1", "at 1");
    let three = ask(&node);
    assert_eq!(three[0]["graph"]["nodes"].as_array().unwrap().len(), 7, "{three:#?}");
    fs::write(&file, &of_two).unwrap();
    assert_eq!(ask(&node), three);
    fs::remove_file(&file).unwrap();
    assert_eq!(ask(&node), three);
    // What is taken from the branch is told no more.
    node.ok(&["get", "?runs"]);
    fs::remove_file(node.tree.join(format!("runs/{}.json", runs[0]["run"].as_str().unwrap()))).unwrap();
    node.ok(&["post", "-m", "not that one"]);
    node.ok(&["get", "?main"]);
    let less = ask(&node);
    assert_eq!(less[0]["graph"]["nodes"].as_array().unwrap().len(), 5, "{less:#?}");
    assert!(less[3]["graph"].is_null(), "{less:#?}");
    fs::remove_file(&file).unwrap();
    assert_eq!(ask(&node), less);
}

#[test]
fn a_command_that_fails_is_recorded_and_its_code_is_handed_on() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let out = node.run(&["run", "--", "sh", "-c", "echo before >&2; exit 7"]);
    assert_eq!((out.code, &out.json["state"]), (7, &"failed".into()), "{out:#?}");
    assert_eq!(shown(&node, "last")["log"], "before\n");
    let out = node.run(&["run", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(
        (out.code, &out.json["state"], &out.json["exit"]["signal"]),
        (137, &"killed".into(), &9.into())
    );
    // What did not run is not recorded, and nothing is left of it.
    node.refused(&["run", "--", "no-such-program-here"], 4);
    node.refused(&["run", "--input", "absent/*", "--", "true"], 3);
    node.refused(&["run", "--output", "../x", "--", "true"], 2);
    let listed = node.ok(&["run", "log"]);
    assert_eq!((listed["runs"].as_array().unwrap().len(), &listed["begun"]), (2, &Value::Array(vec![])));
}

#[test]
fn what_looks_like_a_secret_is_refused() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let mut command = node.command();
    command.env("MY_API_KEY", "hush").env("PLAIN", "told").stdin(Stdio::null());
    let ran = told(command.args(["run", "--env", "PLAIN", "--", "true"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(shown(&node, "last")["record"]["environment"]["variables"]["PLAIN"], "told");
    assert!(!shown(&node, "last").to_string().contains("hush"));
    for words in [["--env", "MY_API_KEY"], ["--env", "HF_TOKEN"], ["--param", "password=x"]] {
        let refused = node.refused(&["run", words[0], words[1], "--", "true"], 4);
        assert!(refused["message"].as_str().unwrap().contains("looks like a secret"), "{refused}");
    }
    assert_eq!(node.ok(&["run", "log"])["runs"].as_array().unwrap().len(), 1);
}

/// Ctrl-C ends the command, and what it did is kept; kill -9 of cairn leaves a word.
#[test]
fn what_is_cut_off_is_told() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let begin = |script: &str| {
        let mut command = node.command();
        command
            .args(["run", "--", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let is_there = |path: &str| node.tree.join(path).exists();
    let child = begin("echo begun; touch one; exec sleep 300");
    wait_until("the command runs", || is_there("one"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let out = told(child.wait_with_output().unwrap());
    assert_eq!((out.code, &out.json["state"]), (130, &"interrupted".into()), "{out:#?}");
    assert_eq!(shown(&node, "last")["log"], "begun\n");
    let mut child = begin("touch two; while [ ! -e end ]; do sleep 0.05; done");
    wait_until("the command runs", || is_there("two"));
    assert_eq!(node.ok(&["run", "log"])["begun"][0]["pid"], child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    node.write("end", "");
    let left = node.ok(&["run", "log"]);
    assert!(left["begun"][0]["pid"].is_null() && left["begun"][0]["begun_ms"].is_u64(), "{left:#}");
    assert_eq!(left["runs"].as_array().unwrap().len(), 1);
    node.ok(&["run", "--", "true"]);
    let cleaned = node.ok(&["run", "log"]);
    assert_eq!((cleaned["runs"].as_array().unwrap().len(), &cleaned["begun"]), (2, &Value::Array(vec![])));
}

/// The folder of a run that is reproduced at another node.
fn there(node: &Node, dir: &str) -> String {
    node.tree.join(dir).to_str().unwrap().to_owned()
}

#[test]
fn one_link_gives_code_data_and_parameters_and_the_same_result() {
    let stage = Stage::new();
    let mut ana = lab(&stage, "ana");
    train(&ana, "0.25", "first");
    ana.serve();
    let link = ana.ok(&["share", "first"])["link"].as_str().unwrap().to_owned();
    let ben = stage.node("ben");
    let dir = there(&ben, "copy");
    // Without --verify nothing is run.
    let ready = ben.ok(&["reproduce", &link, &dir]);
    assert_eq!((&ready["ready"]["files"], &ready["ready"]["inputs"]), (&2.into(), &1.into()), "{ready:#}");
    assert_eq!(ben.read("copy/data/x.csv"), ana.read("data/x.csv"));
    assert!(!ben.tree.join("copy/model.bin").exists());
    let verified = ben.run(&["reproduce", &link, &dir, "--verify"]);
    assert_eq!((verified.code, &verified.json["verdict"]["same"]), (0, &true.into()), "{verified:#?}");
    assert_eq!(ben.read("copy/model.bin"), ana.read("model.bin"));
    // What lies there since is no result: a command that writes nothing any more is found out.
    let record = shown(&ana, "first");
    assert_eq!(verified.json["verdict"]["outputs"][0]["then"], record["record"]["outputs"][0]);
    ben.write("copy/train.sh", "exit 0\n");
    let changed = ben.refused(&["reproduce", &link, &dir, "--verify"], 4);
    assert!(changed["message"].as_str().unwrap().contains("train.sh changed"), "{changed}");
    // He may only read: what he runs himself stays with him, and cannot be shared.
    let copy = Node::new("ben", ben.home.clone(), ben.tree.join("copy"));
    let own = train(&copy, "0.5", "other");
    assert_eq!(own["local"], true, "{own:#}");
    assert_eq!(copy.ok(&["run", "log"])["runs"].as_array().unwrap().len(), 2);
    copy.refused(&["share", "other"], 4);
    copy.refused(&["reproduce", "other", "elsewhere"], 4);
    let listed = ana.ok(&["run", "log"]);
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "{listed:#}");
}

/// A program that takes its rate from outside of what is recorded comes to something else: the report names file and metric.
#[test]
fn what_differs_is_named_by_file_and_metric() {
    let stage = Stage::new();
    let mut ana = lab(&stage, "ana");
    let rate = stage.path().join("rate");
    fs::write(&rate, "0.25").unwrap();
    let script = format!("sh train.sh $(cat {})", rate.display());
    let words =
        ["run", "--input", "data/", "--output", "*.bin", "--metrics", "metrics.json", "--name", "hidden"];
    ana.ok(&[&words[..], &["--", "sh", "-c", &script]].concat());
    ana.serve();
    let link = ana.ok(&["share", "hidden"])["link"].as_str().unwrap().to_owned();
    let ben = stage.node("ben");
    assert_eq!(ben.run(&["reproduce", &link, &there(&ben, "one"), "--verify"]).code, 0);
    fs::write(&rate, "0.5").unwrap();
    let differs = ben.run(&["reproduce", &link, &there(&ben, "two"), "--verify"]);
    assert_eq!(differs.code, 1, "{differs:#?}");
    let verdict = &differs.json["verdict"];
    assert_eq!((&verdict["same"], &verdict["outputs"][0]["path"]), (&false.into(), &"model.bin".into()));
    let acc = serde_json::json!({ "name": "acc", "then": 0.75, "now": 0.5 });
    assert!(verdict["metrics"].as_array().unwrap().contains(&acc), "{verdict:#}");
}

/// What lies in the folder from the time before is no result of a command that writes nothing any more.
#[test]
fn what_was_not_written_again_does_not_count() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let flag = stage.path().join("flag");
    fs::write(&flag, "").unwrap();
    let script = format!("[ ! -e {} ] || echo x > out.bin", flag.display());
    node.ok(&["run", "--output", "out.bin", "--", "sh", "-c", &script]);
    let copy = stage.path().join("copy");
    let verify = || node.run(&["reproduce", "last", copy.to_str().unwrap(), "--verify"]);
    assert_eq!(verify().code, 0);
    fs::remove_file(&flag).unwrap();
    let silent = verify();
    assert_eq!((silent.code, fs::read(copy.join("out.bin")).unwrap().as_slice()), (1, &b"x\n"[..]));
    assert!(silent.json["verdict"]["outputs"][0]["now"].is_null(), "{silent:#?}");
}

#[test]
fn a_mark_is_shared_and_set_up_like_a_run() {
    let stage = Stage::new();
    let mut ana = lab(&stage, "ana");
    ana.ok(&["mark", "v1", "-m", "one"]);
    ana.edit("train.sh", "rate=$1", "rate=2");
    ana.post("later");
    ana.serve();
    let link = ana.ok(&["share", "?v1"])["link"].as_str().unwrap().to_owned();
    let ben = stage.node("ben");
    ben.ok(&["reproduce", &link, &there(&ben, "copy")]);
    assert_eq!(ben.read("copy/train.sh"), TRAIN.as_bytes());
    ben.refused(&["reproduce", &link, &there(&ben, "again"), "--verify"], 2);
    ana.refused(&["share", "nothing-of-this-name"], 3);
}

/// Records are files that any member may write: what is none is named and passed over.
#[test]
fn records_that_lie_are_named_and_passed_over() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    let good = train(&node, "0.25", "good")["run"].as_str().unwrap().to_owned();
    let text =
        node.ok(&["show", &format!("runs/{good}.json?runs")])["file"]["text"].as_str().unwrap().to_owned();
    let named = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..16].to_string();
    let outside = text.replace("\"model.bin\"", "\"../../model.bin\"");
    let endless = text.replace("\"wall_ms\":", "\"wall_ms\": 1e400, \"was\":");
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let far = text.replace("\"started_ms\":", "\"started_ms\": 18446744073709551615, \"was\":");
    let signal = text
        .replace("\"exit\": {", "\"exit\": { \"signal\": 2147483647,")
        .replace("\"code\": 0", "\"was\": 0");
    let later = text.replace("\"level\": 1", "\"level\": 9");
    for hostile in [far.as_str(), &signal, "{", "null", "{\"level\": 1}", &outside, &endless, &deep, &later] {
        node.write(&format!("runs/{}.json", named(hostile.as_bytes())), hostile);
    }
    node.write(&format!("runs/{}.json", named(b"big")), "{\"a\": \"b\"}\n".repeat(500_000));
    node.write("runs/0123456789abcdef.json", &text);
    node.write("runs/not-a-hash.json", &text);
    node.write(&format!("runs/{good}.tags.json"), "[[[");
    node.write("runs/deeper/0123456789abcdef.json", &text);
    node.ok(&["post", "-m", "lies", "runs", "?runs"]);
    let listed = node.ok(&["run", "log"]);
    let runs = listed["runs"].as_array().unwrap();
    // Two are records, however strange; nobody trips over them.
    assert!(runs.len() == 3 && runs.iter().any(|run| run["run"] == good.as_str()), "{listed:#}");
    let plain = node.command_in_words().args(["run", "log"]).output().unwrap();
    assert!(plain.status.success(), "{plain:?}");
    let strays = listed["strays"].as_array().unwrap();
    assert_eq!(strays.len(), 10, "{strays:#?}");
    let told: Vec<_> = strays.iter().map(|stray| stray["why"].as_str().unwrap()).collect();
    let says = |words: &str| told.iter().any(|told| told.contains(words));
    for words in [
        "its bytes make the name",
        "nests deeper",
        "its form is 9",
        "a path is not well formed",
        "no plain file",
        "not that of a run",
    ] {
        assert!(says(words), "{words}: {told:#?}");
    }
    for words in [["run", "show", &good], ["artifact", "lineage", &good]] {
        node.ok(&words);
    }
    assert_eq!(node.ok(&["verify", "--deep"])["ok"], true);
}

/// Two people's runs, proven to somebody who has nothing of the repo.
#[test]
fn a_proof_leads_from_raw_data_to_an_artifact_without_the_repo() {
    let stage = Stage::new();
    let mut ana = lab(&stage, "ana");
    train(&ana, "0.25", "train");
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.write("model.bin", ana.read("model.bin"));
    let report = ["run", "--input", "model.bin", "--output", "report.txt", "--name", "report", "--"];
    ben.ok(&[&report[..], &["sh", "-c", "wc -c < model.bin > report.txt"]].concat());
    let proof = stage.path().join("report.proof");
    let file = proof.to_str().unwrap();
    let proven = ben.ok(&["artifact", "prove", "report.txt", "-o", file]);
    assert_eq!((&proven["steps"], &proven["raw"]), (&2.into(), &1.into()), "{proven:#}");
    ben.refused(&["artifact", "prove", "data/x.csv", "-o", file], 3);
    let raw = shown(&ben, "train")["record"]["inputs"][0]["artifact"].as_str().unwrap().to_owned();
    ben.refused(&["artifact", "prove", &raw, "-o", file], 3);
    ben.stop();
    ana.stop();
    // Somebody without a repo, whose home is not even made.
    let cid = stage.node("cid");
    let own = ben.tree.join("report.txt");
    let whole = ["verify", "--proof", file, "--artifact", own.to_str().unwrap()];
    let checked = cid.run(&whole);
    let chain = &checked.json;
    assert_eq!((checked.code, &chain["ok"]), (0, &true.into()), "{chain:#}");
    assert!(!cid.home.exists(), "it needs no home");
    let steps = chain["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["train", "report"]);
    assert!(
        steps[0]["key"] != steps[1]["key"] && steps[0]["founder"] == true && steps[1]["founder"] == false
    );
    assert_eq!(steps[1]["read"][0]["from"], steps[0]["run"]);
    assert_eq!((&chain["raw"][0]["path"], &chain["path"]), (&"data/x.csv".into(), &"report.txt".into()));
    let words = cid.command_in_words().args(whole).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("signed by") && words.contains("2 runs, 1 raw file: all holds"), "{words}");
    // Other bytes than the artifact's, a changed byte, a cut file, and what never was one.
    let other = ["verify", "--proof", file, "--artifact", file];
    let told = cid.run(&other);
    assert_eq!((told.code, &told.json["problems"][0]["code"]), (6, &"E_ARTIFACT".into()), "{told:#?}");
    let bytes = fs::read(&proof).unwrap();
    let mut changed = bytes.clone();
    let place = changed.windows(7).position(|part| part == b"\"train\"").unwrap();
    changed[place + 1] ^= 1;
    for bad in [&changed[..], &bytes[..bytes.len() - 1], b"", &bytes[1..]] {
        fs::write(&proof, bad).unwrap();
        let told = cid.run(&["verify", "--proof", file]);
        assert_eq!((told.code, &told.json["ok"]), (6, &false.into()), "{told:#?}");
    }
}

#[test]
fn a_sample_of_tagged_runs_is_run_again_and_counted() {
    let stage = Stage::new();
    let node = lab(&stage, "ana");
    train(&node, "0.25", "same");
    let words = ["run", "--output", "out.txt", "--name"];
    node.ok(&[&words[..], &["chance", "--", "sh", "-c", "date +%s%N > out.txt"]].concat());
    let program = stage.path().join("gone");
    fs::write(&program, "#!/bin/sh\necho done > out.txt\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&program).status().unwrap().success());
    node.ok(&[&words[..], &["gone", "--", program.to_str().unwrap()]].concat());
    node.ok(&["run", "--name", "nobody's", "--", "true"]);
    node.refused(&["reproduce", "--rate"], 3);
    ["same", "chance", "gone"].iter().for_each(|run| drop(node.ok(&["run", "tag", run, "paper"])));
    fs::remove_file(&program).unwrap();
    let rooms = stage.path().join("rooms");
    fs::create_dir(&rooms).unwrap();
    let rate = |words: &[&str]| {
        let mut command = node.command();
        command.env("TMPDIR", &rooms).stdin(Stdio::null());
        told(command.args([&["reproduce", "--rate"], words].concat()).output().unwrap())
    };
    let all = rate(&["--seed", "7"]);
    assert_eq!(all.code, 1, "{all:#?}");
    let outcome = |name: &str| {
        let runs = all.json["runs"].as_array().unwrap();
        runs.iter().find(|run| run["name"] == name).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (outcome("same"), outcome("chance")),
        ("equal".to_owned(), "different".to_owned()),
        "{all:#?}"
    );
    assert_eq!(outcome("gone"), "not_run");
    let counts = ["of", "equal", "different", "not_run"].map(|field| all.json[field].as_u64().unwrap());
    assert_eq!((counts, &all.json["seed"]), ([3, 1, 1, 1], &"7".into()));
    assert!((all.json["rate"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    // A smaller sample is the beginning of the larger one, and nothing is left of any.
    let one = rate(&["1", "--seed", "7"]);
    assert_eq!(one.json["runs"][0]["run"], all.json["runs"][0]["run"], "{one:#?}");
    assert_eq!(one.json["runs"].as_array().unwrap().len(), 1);
    assert_eq!(fs::read_dir(&rooms).unwrap().count(), 0);
    node.ok(&["status"]);
}

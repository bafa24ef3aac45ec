//! What people need around the core: their shell, their devices, each other's rights and names.

use crate::harness::{Out, Stage, told};
use std::fs;
use std::process::Command;

fn cairn(words: &[&str]) -> Out {
    told(Command::new(env!("CARGO_BIN_EXE_cairn")).env_remove("CAIRN_HOME").args(words).output().unwrap())
}

/// The verbs that help lists.
fn verbs() -> Vec<String> {
    let help = cairn(&["--help"]).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let verbs: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(verbs.len() > 30, "{help}");
    verbs
}

#[test]
fn a_shell_reads_its_completions() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = cairn(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:#?}");
        let file = stage.path().join(shell);
        fs::write(&file, &script.stdout).unwrap();
        // A shell that is not there reads nothing; bash is always there.
        match Command::new(shell).arg("-n").arg(&file).output() {
            Ok(read) => assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr)),
            Err(error) => assert!(shell != "bash", "{error}"),
        }
        for verb in verbs() {
            assert!(script.stdout.contains(&verb), "{shell} does not know {verb}");
        }
    }
    let complete = "source \"$0\"; COMP_WORDS=(cairn overl); COMP_CWORD=1; _cairn cairn overl cairn; echo ${COMPREPLY[*]}";
    let completed =
        Command::new("bash").args(["-c", complete]).arg(stage.path().join("bash")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "overlaps", "{completed:?}");
}

#[test]
fn each_verb_has_a_page_in_the_manual() {
    let stage = Stage::new();
    let dir = stage.path().join("share/man/man1");
    let done = cairn(&["man", dir.to_str().unwrap(), "--json"]);
    assert_eq!(done.code, 0, "{done:#?}");
    for verb in verbs() {
        let page = fs::read_to_string(dir.join(format!("cairn-{verb}.1"))).unwrap();
        assert!(page.contains(".SH EXAMPLES"), "{verb}:\n{page}");
        assert!(page.contains("\\-C"), "{verb} lacks what holds everywhere:\n{page}");
    }
    for page in ["cairn.1", "cairn-import-git.1", "cairn-overlaps-take.1"] {
        assert!(dir.join(page).exists(), "{page}");
    }
    assert_eq!(done.json["pages"].as_array().unwrap().len(), fs::read_dir(&dir).unwrap().count());
}

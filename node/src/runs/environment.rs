//! Where a run took place: the machine, the tools, and some variables; and how two such places differ.
//!
//! It is read in the process of whoever runs the command, since that process has the environment. Programs are asked for their
//! versions with a bound on time and output, and what does not answer is left out. Names that look like secrets are never
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::error::NodeError;

/// Variables that change what programs compute, or in which order.
const VARIABLES: [&str; 22] = [
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "JULIA_NUM_THREADS",
    "LANG",
    "LC_ALL",
    "LC_NUMERIC",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NCCL_ALGO",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "RANDOM_SEED",
    "RAYON_NUM_THREADS",
    "SEED",
    "SOURCE_DATE_EPOCH",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TZ",
    "XLA_FLAGS",
];
/// What a name that holds one of these says: this is not for others.
const SECRETS: [&str; 7] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL"];
/// Files that pin what a program is built from, by the tool that reads them.
const LOCKS: [(&str, &str); 21] = [
    (".python-version", "python"),
    ("Cargo.lock", "rustc"),
    ("Gemfile.lock", ""),
    ("Manifest.toml", ""),
    ("Pipfile.lock", "python"),
    ("conda-lock.yml", "python"),
    ("environment.yml", "python"),
    ("flake.lock", ""),
    ("go.sum", ""),
    ("package-lock.json", "node"),
    ("pdm.lock", "python"),
    ("pixi.lock", "python"),
    ("pnpm-lock.yaml", "node"),
    ("poetry.lock", "python"),
    ("renv.lock", ""),
    ("requirements.lock", "python"),
    ("requirements.txt", "python"),
    ("rust-toolchain", "rustc"),
    ("rust-toolchain.toml", "rustc"),
    ("uv.lock", "python"),
    ("yarn.lock", "node"),
];
/// How long a program may take to tell its version.
const VERSION_TIME: Duration = Duration::from_secs(5);
/// How long Python may take to list its packages.
const PACKAGES_TIME: Duration = Duration::from_secs(20);
/// The most bytes that are read of a program's answer or of a file of the system.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// The most characters of one fact.
const FACT_CHARS_MAX: usize = 1_000;
/// The most packages.
const PACKAGES_MAX: usize = 5_000;
/// What Python is asked: the names and versions of all that is installed, as `pip freeze` would print them.
const PACKAGES_SCRIPT: &str = "import importlib.metadata as m\n\
    print('\\n'.join(sorted({f\"{d.metadata['Name']}=={d.version}\" for d in m.distributions()})))";

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// `x86_64`.
    pub arch: String,
    /// How many processors a program may use.
    pub cores: u64,
    /// The processor's model.
    pub cpu: String,
    /// The driver of graphics processors, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The memory, in bytes.
    pub memory_bytes: u64,
    /// The system's name and version.
    pub os: String,
}

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// The machine.
    pub host: Host,
    /// What is installed for Python, `name==version`, where Python is the program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// The versions of tools that the command uses, or that have lock files here.
    pub tools: BTreeMap<String, String>,
    /// Variables that were set.
    pub variables: BTreeMap<String, String>,
}

/// A fact that two environments do not share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about: `tool python`, `package numpy`, `variable TZ`, `host cpu`.
    pub what: String,
    /// What it was; nothing if it was not there.
    pub then: Option<String>,
    /// What it is now.
    pub now: Option<String>,
}

impl Environment {
    /// Looks at this process's environment, for a command that runs in `dir`, inside of the worktree `root`. `names` are
    /// variables beside the usual ones.
    ///
    /// # Errors
    /// Where a name looks like a secret.
    pub fn capture(root: &Path, dir: &Path, command: &[String], names: &[String]) -> Result<Self, NodeError> {
        let variables = variables(names)?;
        let program = command.first().map(String::as_str).unwrap_or_default();
        let locks: BTreeSet<&str> = [root, dir].into_iter().flat_map(tools_of).collect();
        let mut tools = BTreeMap::new();
        let mut note = |name: &str, program: &str, words: &[&str]| {
            let version = answer(dir, program, words, VERSION_TIME);
            tools.extend(version.map(|version| (name.to_owned(), fact(&version))));
        };
        let stem = stem(program);
        let python = is_python(stem).then_some(program);
        if python.is_some() || locks.contains("python") {
            note("python", python.unwrap_or("python3"), &["--version"]);
        }
        if matches!(stem, "cargo" | "rustc") || locks.contains("rustc") {
            note("rustc", "rustc", &["--version"]);
        }
        if matches!(stem, "node" | "npm" | "npx" | "yarn" | "pnpm") || locks.contains("node") {
            note("node", "node", &["--version"]);
        }
        let packages = python.map(|python| packages(dir, python)).unwrap_or_default();
        Ok(Self { host: Host::read(), packages, tools, variables })
    }

    /// What differs, fact by fact.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let (then, now) = (self.facts(), now.facts());
        let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let one = |key: &&String| then.get(*key) != now.get(*key);
        let told = |key: &String| {
            let (then, now) = (then.get(key).cloned(), now.get(key).cloned());
            Difference { what: key.clone(), then, now }
        };
        keys.into_iter().filter(one).map(told).collect()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let Host { arch, cores, cpu, gpu, kernel, memory_bytes, os } = &self.host;
        let host = [("arch", arch), ("cpu", cpu), ("kernel", kernel), ("os", os)];
        let mut facts: BTreeMap<String, String> =
            host.into_iter().map(|(name, value)| (format!("host {name}"), value.clone())).collect();
        facts.insert("host cores".to_owned(), cores.to_string());
        facts.insert("host memory_bytes".to_owned(), memory_bytes.to_string());
        facts.extend(gpu.iter().map(|gpu| ("host gpu".to_owned(), gpu.clone())));
        let named = |kind: &str, (name, value): (&String, &String)| (format!("{kind} {name}"), value.clone());
        facts.extend(self.tools.iter().map(|tool| named("tool", tool)));
        facts.extend(self.variables.iter().map(|variable| named("variable", variable)));
        let packages = self.packages.iter().filter_map(|package| package.split_once("=="));
        facts.extend(packages.map(|(name, version)| (format!("package {name}"), version.to_owned())));
        facts
    }
}

/// Whether a name says that its value is not for others.
pub fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRETS.iter().any(|word| upper.contains(word))
}

/// The lock files of a folder that are there, by name.
pub fn locks(dir: &Path) -> impl Iterator<Item = &'static str> {
    let dir = dir.to_owned();
    LOCKS.into_iter().map(|(name, _)| name).filter(move |name| dir.join(name).is_file())
}

fn tools_of(dir: &Path) -> impl Iterator<Item = &'static str> {
    let dir = dir.to_owned();
    LOCKS.into_iter().filter(move |(name, _)| dir.join(name).is_file()).map(|(_, tool)| tool)
}

fn variables(names: &[String]) -> Result<BTreeMap<String, String>, NodeError> {
    if let Some(name) = names.iter().find(|name| is_secret(name)) {
        return Err(Problem::Secret(name.clone()).into());
    }
    let all = VARIABLES.iter().copied().chain(names.iter().map(String::as_str));
    let set = |name: &str| Some((name.to_owned(), fact(&std::env::var(name).ok()?)));
    Ok(all.filter_map(set).collect())
}

/// The name of a program without the folder it lies in.
fn stem(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn is_python(stem: &str) -> bool {
    let version = stem.strip_prefix("python").or(stem.strip_prefix("pypy"));
    version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

fn packages(dir: &Path, python: &str) -> Vec<String> {
    let listed = answer(dir, python, &["-c", PACKAGES_SCRIPT], PACKAGES_TIME).unwrap_or_default();
    listed.lines().filter(|line| line.contains("==")).take(PACKAGES_MAX).map(fact).collect()
}

impl Host {
    fn read() -> Self {
        let file = |path: &str| read(Path::new(path)).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| fact(rest.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"')))
        };
        let memory = field(&file("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let cores = thread::available_parallelism().map_or(0, |cores| cores.get() as u64);
        let os = field(&file("/etc/os-release"), "PRETTY_NAME");
        Self {
            arch: std::env::consts::ARCH.to_owned(),
            cores,
            cpu: field(&file("/proc/cpuinfo"), "model name").unwrap_or_default(),
            gpu: field(&file("/proc/driver/nvidia/version"), "NVRM version"),
            kernel: fact(&file("/proc/sys/kernel/osrelease")),
            memory_bytes: kib.saturating_mul(1024),
            os: os.unwrap_or_else(|| std::env::consts::OS.to_owned()),
        }
    }
}

/// One line of bounded length without control characters.
fn fact(text: &str) -> String {
    text.trim().chars().filter(|char| !char.is_control()).take(FACT_CHARS_MAX).collect()
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(ANSWER_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What a program prints, if it ends well and in time.
fn answer(dir: &Path, program: &str, words: &[&str], time: Duration) -> Option<String> {
    let mut command = Command::new(program);
    command.args(words).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let out = child.stdout.take()?;
    let (told, tells) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        // Nobody listens any more once the time is over.
        let _ = told.send(out.take(ANSWER_BYTES_MAX).read_to_end(&mut text).map(|_| text));
    });
    let until = Instant::now() + time;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            _ => {
                // One that is gone already needs no end.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    // Something that it left running may hold its output open.
    let text = tells.recv_timeout(time).ok()?.ok()?;
    status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_refused_by_their_names() {
        for name in ["AWS_SECRET_ACCESS", "api_key", "HF_TOKEN", "DB_PASSWORD", "GOOGLE_CREDENTIALS"] {
            assert!(
                matches!(variables(&[name.to_owned()]), Err(NodeError::Run(Problem::Secret(_)))),
                "{name}"
            );
        }
        assert!(!VARIABLES.iter().any(|name| is_secret(name)));
        assert!(variables(&["PATH".to_owned()]).unwrap().contains_key("PATH"));
    }

    #[test]
    fn a_program_that_does_not_answer_is_left_out() {
        let dir = Path::new("/");
        assert_eq!(answer(dir, "sh", &["-c", "echo 1"], VERSION_TIME).as_deref(), Some("1\n"));
        assert_eq!(answer(dir, "sh", &["-c", "echo 1; exit 3"], VERSION_TIME), None);
        assert_eq!(answer(dir, "sleep", &["30"], Duration::from_millis(30)), None);
        assert_eq!(answer(dir, "no-such-program-here", &[], VERSION_TIME), None);
    }

    #[test]
    fn the_machine_is_told_and_differences_are_named() {
        let command = ["sh".to_owned()];
        let here = Environment::capture(Path::new("/"), Path::new("/"), &command, &[]).unwrap();
        assert!(here.host.cores > 0 && here.host.memory_bytes > 0 && !here.host.kernel.is_empty());
        assert_eq!(here.differences(&here), []);
        let mut there = here.clone();
        there.packages.push("numpy==2.1".to_owned());
        there.tools.insert("python".to_owned(), "Python 3.12".to_owned());
        let mut now = there.clone();
        now.packages = vec!["numpy==2.2".to_owned()];
        let told = |what: &str, then: Option<&str>, now: Option<&str>| Difference {
            what: what.to_owned(),
            then: then.map(str::to_owned),
            now: now.map(str::to_owned),
        };
        assert_eq!(there.differences(&now), [told("package numpy", Some("2.1"), Some("2.2"))]);
        assert_eq!(here.differences(&there).last(), Some(&told("tool python", None, Some("Python 3.12"))));
    }

    #[test]
    fn pythons_are_known_by_name() {
        assert!(["python", "python3", "python3.12", "pypy3"].iter().all(|name| is_python(name)));
        assert!(!["pythonic", "ipython", "sh"].iter().any(|name| is_python(name)));
        assert_eq!(stem(".venv/bin/python"), "python");
    }
}

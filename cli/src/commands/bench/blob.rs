//! `bench blob`: a large artifact between two processes on loopback, to the disk, against a plain stream over the same
//! transport, plain TCP, and `sendme` where it is on the path.

use super::figure::{Figure, Limit};
use super::home::{Home, Running};
use super::noise;
use super::process;
use super::proxy::Proxy;
use super::score::median;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of the speed of a plain libp2p stream.
const STREAM_SHARE_MIN: f64 = 0.8;
/// Of the speed of sendme.
const SENDME_SHARE_MIN: f64 = 1.5;
/// Of the sum of what three providers may send.
const SUM_SHARE_MIN: f64 = 0.9;
/// What may move twice after a kill half way, in percent.
const TWICE_PERCENT_MAX: f64 = 2.0;
/// What may move for a part of 1 MB, in MB.
const RANGE_MB_MAX: f64 = 2.0;
/// The part that is read.
const RANGE_BYTES: u64 = 1_000_000;
/// What each of three providers may send a second.
const THIRD_BYTES_PER_S: u64 = 20 << 20;
/// How many bytes come from three providers at most.
const THIRDS_BYTES: u64 = 256 << 20;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many bytes are moved: 1G
    #[arg(long, default_value = "1G", value_parser = crate::args::bytes)]
    size: u64,
    /// How large the artifact is of which a part is read: 4G
    #[arg(long, default_value = "4G", value_parser = crate::args::bytes)]
    range_of: u64,
    /// How often each moves them, in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Send the file at the end of this path over plain streams; used by this benchmark itself
    #[arg(long, hide = true, value_name = "FILE")]
    send: Option<String>,
    /// Receive from there into a file; used by this benchmark itself
    #[arg(long, hide = true, num_args = 2, value_names = ["ADDRESS", "FILE"])]
    receive: Vec<String>,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    if let Some(file) = &args.send {
        cairn_node::measure::send_streams(file.as_ref(), &mut |address| output::line(address))?;
        return Ok(DONE);
    }
    if let [address, file] = &args.receive[..] {
        cairn_node::measure::receive_stream(address, file.as_ref())?;
        return Ok(DONE);
    }
    let stage = Stage::new()?;
    let runs = args.runs.max(1);
    noise::write(&stage.path("large"), args.size, 1)?;
    let table = Table { json: desk.json, runs };
    speed(&stage, &args, &table)?;
    resumed(&stage, &args, &table)?;
    drop(stage);
    thirds(args.size.min(THIRDS_BYTES), &table)?;
    range(&args, &table)?;
    Ok(DONE)
}

/// Where the figures go.
struct Table {
    json: bool,
    runs: usize,
}

impl Table {
    fn print(&self, figure: &str, unit: &'static str, cairn: f64, rival: Option<(&str, f64)>, limit: Limit) {
        let rival = rival.map(|(name, rival)| (name.to_owned(), rival));
        let runs = self.runs;
        Figure { bench: "blob", figure: figure.to_owned(), unit, cairn, rival, limit, runs }.print(self.json);
    }

    fn tell(&self, words: &str) {
        if !self.json {
            output::line(words);
        }
    }
}

/// A home that serves an artifact, and another one that has joined.
struct Sides {
    guest: Home,
    serving: Running,
}

impl Sides {
    fn begin(stage: &Stage, file: &str, options: &[&str]) -> Result<Self, Failure> {
        let home = Home::new(stage.dir(), "home");
        home.run(&["init", "ours", "--project", "@bench/blob"])?;
        // With -C, paths are looked for in the worktree.
        home.run(&["-C", "ours", "artifact", "add", &stage.word(file), "--name", "large"])?;
        let serving = home.start(&[&["serve", "--listen", "/ip4/127.0.0.1/tcp/0"], options].concat())?;
        let invite = home.invite("ours", 8)?;
        let guest = Home::new(stage.dir(), "guest");
        guest.run(&["join", &invite, "theirs"])?;
        Ok(Self { guest, serving })
    }

    /// Forgets what was fetched.
    fn forget(&self) -> Result<(), Failure> {
        let blobs = self.guest.path().join("blobs");
        if blobs.exists() {
            fs::remove_dir_all(blobs)?;
        }
        rustix::fs::sync();
        Ok(())
    }

    fn get(&self, out: &str) -> Result<f64, Failure> {
        Ok(self.guest.run(&["-C", "theirs", "artifact", "get", "large", "-o", out])?.ms)
    }
}

/// One way to move the bytes.
type Way<'a> = (&'static str, Box<dyn FnMut() -> Result<f64, Failure> + 'a>);

fn speed(stage: &Stage, args: &Args, table: &Table) -> Result<(), Failure> {
    let sides = Sides::begin(stage, "large", &[])?;
    let mut sendme = Sendme::begin(stage)?;
    let mut sender = Sender::begin(stage, &["bench", "blob", "--send", "large"])?;
    let address = sender.line()?;
    let receive = Home::new(stage.dir(), "nobody");
    let mut ways: Vec<Way<'_>> = vec![
        ("cairn", Box::new(|| fetch(&sides))),
        (
            "cairn, and out to a file",
            Box::new(|| sides.forget().and_then(|()| sides.get(&stage.word("got")))),
        ),
        ("libp2p stream", Box::new(|| Ok(receive.run(&["bench", "blob", "--receive", &address, "got"])?.ms))),
        ("TCP", Box::new(|| tcp(stage))),
    ];
    if let Some(sendme) = &mut sendme {
        ways.push(("sendme", Box::new(|| sendme.receive(stage))));
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    for _ in 0..table.runs {
        for ((name, way), times) in ways.iter_mut().zip(&mut times) {
            let _ = fs::remove_file(stage.path("got"));
            rustix::fs::sync();
            times.push(way()?);
            if *name != "cairn" {
                same(stage, "large", "got")?;
            }
        }
    }
    let speeds = times.into_iter().map(|times| {
        let ms = median(times).unwrap_or(f64::MAX);
        args.size as f64 / 1e6 / (ms / 1000.0)
    });
    let speeds: Vec<(&str, f64)> = ways.iter().map(|(name, _)| *name).zip(speeds).collect();
    drop(ways);
    told(&speeds, table);
    Ok(())
}

/// Fetches into the store, durably; the other ways end with a file.
fn fetch(sides: &Sides) -> Result<f64, Failure> {
    sides.forget()?;
    let ran = sides.guest.run(&["-C", "theirs", "artifact", "fetch", "large"])?;
    Ok(ran.ms)
}

fn told(speeds: &[(&str, f64)], table: &Table) {
    let of = |wanted: &str| speeds.iter().find(|(name, _)| *name == wanted).map(|(_, speed)| *speed);
    for (name, speed) in speeds {
        table.tell(&format!("{name}: {speed:.0} MB/s"));
    }
    let Some(cairn) = of("cairn") else { return };
    let file = of("cairn, and out to a file").unwrap_or_default();
    let share = |rival: &'static str, ours: f64, name: &str, limit: Limit| {
        if let Some(theirs) = of(rival) {
            table.print(name, "x", ours / theirs, Some((rival, 1.0)), limit);
        }
    };
    share("libp2p stream", cairn, "fetch, over a plain stream", Limit::AtLeast(STREAM_SHARE_MIN));
    share("libp2p stream", file, "fetch and file, over a stream", Limit::Nothing);
    share("TCP", cairn, "fetch, over TCP", Limit::Nothing);
    share("sendme", cairn, "fetch, over sendme", Limit::AtLeast(SENDME_SHARE_MIN));
    share("sendme", file, "fetch and file, over sendme", Limit::Nothing);
}

fn same(stage: &Stage, left: &str, right: &str) -> Result<(), Failure> {
    match noise::same(&stage.path(left), &stage.path(right))? {
        true => Ok(()),
        false => Err(bug("what came is not what was sent")),
    }
}

/// Plain TCP to a file that is fsynced, in this process: nothing is faster.
fn tcp(stage: &Stage) -> Result<f64, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let (address, large) = (listener.local_addr()?, stage.path("large"));
    let begun = Instant::now();
    let sending = std::thread::spawn(move || -> std::io::Result<u64> {
        let (mut guest, _) = listener.accept()?;
        std::io::copy(&mut fs::File::open(large)?, &mut guest)
    });
    let mut got = fs::File::create(stage.path("got"))?;
    let mut stream = TcpStream::connect(address)?;
    let mut step = vec![0; 256 << 10];
    while let size @ 1.. = stream.read(&mut step)? {
        got.write_all(step.get(..size).unwrap_or_default())?;
    }
    got.sync_all()?;
    sending.join().map_err(|_| bug("nobody sent"))??;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// A program that sends until this is dropped, and says first how it is found.
struct Sender {
    _running: Running,
    lines: BufReader<std::process::ChildStdout>,
}

impl Sender {
    fn begin(stage: &Stage, words: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::of(command.args(words).current_dir(stage.dir()).stdout(Stdio::piped()).spawn()?)
    }

    fn of(mut child: Child) -> Result<Self, Failure> {
        let lines = child.stdout.take().ok_or_else(|| bug("a process without output"))?;
        Ok(Self { _running: Running::of(child), lines: BufReader::new(lines) })
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.lines.read_line(&mut line)? {
            0 => Err(bug("a sender that did not come up")),
            _ => Ok(line.trim().to_owned()),
        }
    }
}

/// `sendme send`, without relays, found by its addresses.
struct Sendme {
    _sender: Sender,
    ticket: String,
}

impl Sendme {
    fn begin(stage: &Stage) -> Result<Option<Self>, Failure> {
        if Command::new("sendme").arg("--version").output().is_err() {
            return Ok(None);
        }
        let mut command = Command::new("sendme");
        command.args(["send", "--relay", "disabled", "--ticket-type", "addresses", "large"]);
        let child = command.current_dir(stage.dir()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut sender = Sender::of(child.stderr(Stdio::null()).spawn()?)?;
        loop {
            if let Some(ticket) = sender.line()?.strip_prefix("sendme receive ") {
                let ticket = ticket.to_owned();
                return Ok(Some(Self { _sender: sender, ticket }));
            }
        }
    }

    fn receive(&mut self, stage: &Stage) -> Result<f64, Failure> {
        let dir = stage.path("sendme");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir(&dir)?;
        let mut command = Command::new("sendme");
        command.args(["receive", "--relay", "disabled", &self.ticket]).current_dir(&dir);
        let ran = process::run(&mut command, false)?;
        fs::rename(dir.join("large"), stage.path("got"))?;
        Ok(ran.ms)
    }
}

/// Kills the taker half way, and counts on the socket what moves until the end.
fn resumed(stage: &Stage, args: &Args, table: &Table) -> Result<(), Failure> {
    let home = Home::new(stage.dir(), "home");
    let serving = home.start(&["serve", "--listen", "/ip4/127.0.0.1/tcp/0"])?;
    let (port, peer) = place(&serving)?;
    let door = Proxy::to(port)?;
    let guest = Home::new(stage.dir(), "late");
    let invite = home.invite("ours", 1)?;
    let through = format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", door.port());
    guest.run(&["join", &invite, "resumed", "--peer", &through])?;
    drop_peers_but(&guest, &through)?;
    let before = door.count();
    let mut child =
        guest.command(&["-C", "resumed", "artifact", "fetch", "large"])?.stdout(Stdio::null()).spawn()?;
    while door.count() - before < args.size / 2 && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    guest.run(&["-C", "resumed", "artifact", "fetch", "large"])?;
    let moved = door.count() - before;
    // Noise and yamux take a hundredth, the tree of hashes half of one.
    let twice = (moved as f64 / 1.006 - args.size as f64) / args.size as f64 * 100.0;
    guest.run(&["-C", "resumed", "artifact", "verify", "large"])?;
    table.print("moved twice after a kill", "%", twice.max(0.0), None, Limit::AtMost(TWICE_PERCENT_MAX));
    Ok(())
}

/// The port at which a home is served, and the name of its peer.
fn place(serving: &Running) -> Result<(u16, String), Failure> {
    let listen = serving.ready["listen"][0].as_str().unwrap_or_default();
    let mut words = listen.split('/').skip(4);
    let port = words.next().and_then(|port| port.parse().ok());
    let peer = listen.rsplit('/').next().unwrap_or_default().to_owned();
    port.map(|port| (port, peer)).ok_or_else(|| bug("a listener without a port"))
}

/// Lets a home know its peer by one address alone.
fn drop_peers_but(home: &Home, address: &str) -> Result<(), Failure> {
    let path = home.path().join("peers.json");
    let text = fs::read_to_string(&path)?;
    let mut known: serde_json::Value = serde_json::from_str(&text).map_err(|_| bug("no peers"))?;
    each_address(&mut known, address);
    Ok(fs::write(&path, known.to_string())?)
}

fn each_address(value: &mut serde_json::Value, address: &str) {
    match value {
        serde_json::Value::Array(values) => {
            let is_addresses =
                values.iter().any(|value| value.as_str().is_some_and(|text| text.starts_with("/ip")));
            if is_addresses {
                *values = vec![address.into()];
            }
            values.iter_mut().for_each(|value| each_address(value, address));
        }
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(|value| each_address(value, address));
        }
        _ => {}
    }
}

/// Three providers that may each send so much a second.
fn thirds(bytes: u64, table: &Table) -> Result<(), Failure> {
    let stage = Stage::new()?;
    noise::write(&stage.path("large"), bytes, 2)?;
    let limit = THIRD_BYTES_PER_S.to_string();
    let sides = Sides::begin(&stage, "large", &["--upload-limit", &limit])?;
    let home = Home::new(stage.dir(), "home");
    let mut serving = Vec::new();
    for name in ["second", "third"] {
        let other = Home::new(stage.dir(), name);
        let invite = home.invite("ours", 1)?;
        other.run(&["join", &invite, &format!("{name}-tree")])?;
        let file = stage.word("large");
        other.run(&["-C", &format!("{name}-tree"), "artifact", "add", &file, "--name", "large"])?;
        serving.push(other.start(&[
            "serve",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
            "--upload-limit",
            &limit,
        ])?);
    }
    for running in &serving {
        let address = running.ready["listen"][0].as_str().unwrap_or_default().to_owned();
        sides.guest.run(&["-C", "theirs", "put", "--peer", &address])?;
    }
    let mut times = Vec::new();
    for _ in 0..table.runs {
        sides.forget()?;
        times.push(sides.guest.run(&["-C", "theirs", "artifact", "fetch", "large"])?.ms);
    }
    let ms = median(times).unwrap_or(f64::MAX);
    let speed = bytes as f64 / (ms / 1000.0);
    let share = speed / (3 * THIRD_BYTES_PER_S) as f64;
    table.print("three providers, over their sum", "x", share, None, Limit::AtLeast(SUM_SHARE_MIN));
    drop(sides.serving);
    Ok(())
}

/// A part of a large artifact, read at a place that nothing suggests.
fn range(args: &Args, table: &Table) -> Result<(), Failure> {
    let stage = Stage::new()?;
    noise::write(&stage.path("large"), args.range_of, 3)?;
    let sides = Sides::begin(&stage, "large", &[])?;
    let from = args.range_of / 3 + 12_345;
    let words = format!("{from}..{}", from + RANGE_BYTES);
    let part = stage.word("part");
    let (answer, ms) =
        sides.guest.ask(&["-C", "theirs", "artifact", "get", "large", "--range", &words, "-o", &part])?;
    if !noise::same_part(&stage.path("large"), from, &stage.path("part"))? {
        return Err(bug("the part is another one"));
    }
    let moved_mb = answer["moved_bytes"].as_f64().unwrap_or(f64::MAX) / 1e6;
    table.tell(&format!("a part of 1 MB of {} MB came in {ms:.0} ms", args.range_of / 1_000_000));
    table.print("content moved for 1 MB", "MB", moved_mb, None, Limit::AtMost(RANGE_MB_MAX));
    Ok(())
}

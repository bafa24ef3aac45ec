//! Runs a command to its end: passes its output on and keeps it, passes signals to it, measures it.
//!
//! This is done in the process of whoever asked for it, never in a `serve`.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::record::Exit;
use crate::clock;
use crate::error::NodeError;

/// How many bytes of the beginning of the output are kept.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// How many bytes of its end.
const TAIL_BYTES_MAX: usize = 768 << 10;
/// The most bytes of a line that may tell metrics.
const LINE_BYTES_MAX: usize = 64 << 10;
/// How long output is waited for once the command has ended: what it left running may hold it open.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// The system counts processor time in hundredths of a second, on every platform that it runs on today.
const TICK_MS: u64 = 10;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// The folder in which it runs.
    pub dir: &'a Path,
    /// Variables beside those of this process.
    pub variables: &'a BTreeMap<String, String>,
    /// Whether all output goes to stderr, since stdout is for the answer.
    pub aside: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// How it ended.
    pub exit: Exit,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took.
    pub wall_ms: u64,
    /// The processor time that it and what it started took.
    pub cpu_ms: u64,
    /// How many bytes of its output are not kept.
    pub cut: u64,
    /// What it printed of its metrics.
    pub metrics: Metrics,
}

/// What was printed, its middle left out where it is long.
#[derive(Debug, Default)]
struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Log {
    fn push(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES_MAX.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..over);
        self.cut += over as u64;
    }

    /// The log as text.
    fn text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        match self.cut {
            0 => text(&[self.head.as_slice(), &tail].concat()),
            cut => format!("{}\n[{cut} bytes are not kept]\n{}", text(&self.head), text(&tail)),
        }
    }
}

/// Runs a command to its end; also what it printed.
///
/// # Errors
/// Where it cannot be started.
pub fn run(task: Task<'_>) -> Result<(Ran, String), NodeError> {
    let [program, words @ ..] = task.command else {
        return Err(NodeError::Usage("there is nothing to run".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(words).current_dir(task.dir).envs(task.variables);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (started_ms, begun, cpu_before_ms) = (clock::now_ms(), Instant::now(), children_ms());
    let mut listening = Listening::begin()?;
    let mut child = command.spawn().map_err(|error| NodeError::io("run", Path::new(program), error))?;
    let (log, metrics) = (Arc::new(Mutex::new(Log::default())), Arc::new(Mutex::new(Metrics::default())));
    let (ended, ends) = mpsc::channel();
    let out: Option<Box<dyn Read + Send>> = child.stdout.take().map(|out| Box::new(out) as _);
    let err: Option<Box<dyn Read + Send>> = child.stderr.take().map(|err| Box::new(err) as _);
    let sinks: [Box<dyn Write + Send>; 2] =
        [if task.aside { Box::new(io::stderr()) } else { Box::new(io::stdout()) }, Box::new(io::stderr())];
    for (stream, sink) in [out, err].into_iter().flatten().zip(sinks) {
        let mut pass = Pass { sink, log: Arc::clone(&log), metrics: Arc::clone(&metrics), line: Vec::new() };
        let ended = ended.clone();
        thread::spawn(move || {
            pass.all(stream);
            // Whoever waits may have gone on already.
            let _ = ended.send(());
        });
    }
    listening.pass_on(child.id())?;
    let status = child.wait().map_err(|error| NodeError::io("wait for", Path::new(program), error))?;
    let wall_ms = millis(begun.elapsed());
    for _ in 0..2 {
        if ends.recv_timeout(DRAIN_TIME).is_err() {
            break;
        }
    }
    let exit = exit(status, listening.end());
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let cpu_ms = children_ms().saturating_sub(cpu_before_ms);
    Ok((Ran { exit, started_ms, wall_ms, cpu_ms, cut: log.cut, metrics }, log.text()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn exit(status: ExitStatus, interrupted: bool) -> Exit {
    Exit { code: status.code(), signal: status.signal(), interrupted: interrupted && !status.success() }
}

/// One stream on its way: to whoever watches, to the log, and, line by line, to the metrics.
struct Pass {
    sink: Box<dyn Write + Send>,
    log: Arc<Mutex<Log>>,
    metrics: Arc<Mutex<Metrics>>,
    line: Vec<u8>,
}

impl Pass {
    fn all(&mut self, mut stream: Box<dyn Read + Send>) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.some(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "the rest of the output could not be read");
                    break;
                }
            }
        }
        self.end_line();
    }

    fn some(&mut self, bytes: &[u8]) {
        // A reader that went away (`cairn run -- CMD | head`) ends nothing.
        let _ = self.sink.write_all(bytes).and_then(|()| self.sink.flush());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).line(line.trim_end());
        self.line.clear();
    }
}

/// Signals that were for the command.
struct Listening {
    pid: Option<oneshot::Sender<u32>>,
    over: Option<oneshot::Sender<()>>,
    heard: Arc<AtomicBool>,
}

impl Listening {
    /// From now on a signal does not end this process.
    fn begin() -> Result<Self, NodeError> {
        let (pid, pid_told) = oneshot::channel();
        let (over, is_over) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let heard = Arc::new(AtomicBool::new(false));
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Nobody waits for the word any more where the command could not be started.
            let _ = match runtime {
                Ok(runtime) => runtime.block_on(listen(ready.clone(), pid_told, is_over, &hears)),
                Err(error) => ready.send(Err(error)),
            };
        });
        let io = |error| NodeError::io("listen for", Path::new("signals"), error);
        is_ready.recv().map_err(|_| NodeError::Bug("nobody listens for signals"))?.map_err(io)?;
        Ok(Self { pid: Some(pid), over: Some(over), heard })
    }

    /// Signals go to this process from now on.
    fn pass_on(&mut self, pid: u32) -> Result<(), NodeError> {
        let told = self.pid.take().map(|sender| sender.send(pid));
        told.and_then(Result::ok).ok_or(NodeError::Bug("nobody listens for signals"))
    }

    /// Whether somebody asked for the end.
    fn end(&mut self) -> bool {
        // Where nobody listens any more there is nobody to tell.
        let _ = self.over.take().map(|over| over.send(()));
        self.heard.load(Ordering::SeqCst)
    }
}

type Ready = mpsc::Sender<io::Result<()>>;

async fn listen(
    ready: Ready,
    pid: oneshot::Receiver<u32>,
    mut is_over: oneshot::Receiver<()>,
    heard: &AtomicBool,
) -> Result<(), mpsc::SendError<io::Result<()>>> {
    let kinds =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (mut interrupt, mut terminate, mut hangup) = match kinds {
        (Ok(interrupt), Ok(terminate), Ok(hangup)) => (interrupt, terminate, hangup),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return ready.send(Err(error)),
    };
    ready.send(Ok(()))?;
    let Ok(pid) = pid.await else { return Ok(()) };
    loop {
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
            _ = &mut is_over => return Ok(()),
        };
        heard.store(true, Ordering::SeqCst);
        // The terminal has sent ctrl-C to the command as well.
        if signal == Signal::TERM || !is_in_foreground() {
            pass(pid, signal);
        }
    }
}

fn pass(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let sent = pid.map(|pid| pidfd_send_signal(pidfd_open(pid, PidfdFlags::empty())?, signal));
    if let Some(Err(error)) = sent {
        tracing::debug!(%error, "the command has ended before the signal came");
    }
}

/// Whether ctrl-C at the terminal goes to this process and to what it started.
fn is_in_foreground() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal()
        && rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// The processor time of all children that have ended, and of theirs.
fn children_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the bracket may hold anything.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let times = fields.split_whitespace().skip(13).take(2);
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>().saturating_mul(TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Number;

    fn sh(script: &str) -> (Ran, String) {
        let command = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let variables = [("GIVEN".to_owned(), "here".to_owned())].into();
        run(Task { command: &command, dir: Path::new("/"), variables: &variables, aside: true }).unwrap()
    }

    #[test]
    fn a_command_is_run_measured_and_heard() {
        let (ran, log) = sh("echo $GIVEN; echo cairn: acc=0.5; printf 'cairn: acc=0.75' >&2; exit 3");
        assert_eq!(ran.exit, Exit { code: Some(3), ..Exit::default() });
        // Which of the two streams is heard first is nobody's to say.
        assert!(log.contains("here\n") && log.contains("acc=0.75"), "{log}");
        assert_eq!(ran.metrics.last.len(), 1);
        let (ran, _) = sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; kill -KILL $$");
        assert_eq!((ran.exit.signal, ran.exit.word(), ran.exit.shell_code()), (Some(9), "killed", 137));
        assert!(ran.cpu_ms > 0, "{ran:?}");
    }

    #[test]
    fn what_is_left_running_holds_nothing_up() {
        let begun = Instant::now();
        let (ran, _) = sh("sleep 60 & echo cairn: a=1");
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(ran.metrics.last["a"], Number(1.0));
    }

    #[test]
    fn a_long_log_keeps_both_ends_and_says_what_is_cut() {
        let mut log = Log::default();
        log.push(&vec![b'a'; HEAD_BYTES_MAX - 1]);
        log.push(&vec![b'b'; TAIL_BYTES_MAX + 11]);
        log.push(b"end\0");
        let text = log.text();
        assert_eq!(log.cut, 14);
        assert!(text.contains("ab\n[14 bytes are not kept]\nbb") && text.ends_with("bend\u{fffd}"));
        assert!(text.len() < 4 << 20);
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let command = ["no-such-program-here".to_owned()];
        let task = Task { command: &command, dir: Path::new("/"), variables: &BTreeMap::new(), aside: true };
        assert!(matches!(run(task), Err(NodeError::Io { doing: "run", .. })));
    }
}

//! One run of a program, to its end: how long it took, and how much memory it held.

use super::memory::peak_mb_of;
use super::stage::bug;
use crate::error::Failure;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a process is asked for the most that it has held: what it takes after the last time is not seen.
const LOOK: Duration = Duration::from_millis(4);

/// What a run came to.
pub(super) struct Ran {
    /// From before its start to after its end, in milliseconds.
    pub(super) ms: f64,
    /// What it printed.
    pub(super) text: String,
}

/// Runs a program. It ends well with 0, and with 1 where the caller says so: cairn says by it that edits met.
pub(super) fn run(command: &mut Command, is_met_well: bool) -> Result<Ran, Failure> {
    let begun = Instant::now();
    let output = begin(command)?.wait_with_output()?;
    ended(command, &output, is_met_well, begun)
}

/// Runs a program that ends with 0; the most memory that its own process held, in MB.
pub(super) fn weighed(command: &mut Command) -> Result<(Ran, f64), Failure> {
    let begun = Instant::now();
    let child = begin(command)?;
    let process = child.id();
    let (end, ending) = channel::<()>();
    let looking = std::thread::spawn(move || peak_mb(process, &ending));
    let output = child.wait_with_output()?;
    let ran = ended(command, &output, false, begun);
    drop(end);
    let peak_mb = looking.join().map_err(|_| bug("nobody looked at the memory"))?;
    Ok((ran?, peak_mb.ok_or_else(|| bug("the system does not say how much memory was held"))?))
}

fn begin(command: &mut Command) -> Result<Child, Failure> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn ended(command: &Command, output: &Output, is_met_well: bool, begun: Instant) -> Result<Ran, Failure> {
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    match output.status.code() {
        Some(0) => {}
        Some(1) if is_met_well => {}
        _ => {
            // With --json, what went wrong stands on stdout.
            let told = [&*output.stdout, &*output.stderr].concat();
            return Err(bug(&format!("{command:?}: {}", String::from_utf8_lossy(&told).trim())));
        }
    }
    Ok(Ran { ms, text: String::from_utf8_lossy(&output.stdout).into_owned() })
}

/// Asks until the process has ended; the system forgets the figure with its memory, before anyone can wait for it.
fn peak_mb(process: u32, ending: &Receiver<()>) -> Option<f64> {
    let mut peak_mb = None;
    loop {
        // The mark only rises, and a process that is gone says nothing.
        peak_mb = peak_mb_of(process).ok().or(peak_mb);
        if ending.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return peak_mb;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_is_seen() {
        let mut command = Command::new("sh");
        command.args(["-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 0.2; echo ${#x}"]);
        let (ran, peak_mb) = weighed(&mut command).unwrap();
        assert_eq!(ran.text.trim(), "30000000");
        assert!(peak_mb > 30.0 && ran.ms >= 200.0, "{peak_mb} {}", ran.ms);
    }

    #[test]
    fn only_who_expects_it_takes_an_end_with_one_as_good() {
        let one = || Command::new("false");
        assert!(
            run(&mut one(), true).is_ok() && run(&mut one(), false).is_err() && weighed(&mut one()).is_err()
        );
    }
}

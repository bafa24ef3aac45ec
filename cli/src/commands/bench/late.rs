//! `bench history --late`: how long a peer takes to join that was away for many waypoints and several epochs.
//!
//! Two homes, real processes, real sockets. While the guest writes by itself, the host goes on, marks and forgets. Then
//! the guest's `put --peer` fetches what it lacks, carries its own work over into the epoch in force, and sends it.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::proxy::Proxy;
use super::stage::{Stage, bug};
use super::words;
use crate::commands::demo::node::{Node, number, text};
use crate::error::Failure;
use cairn_node::measure::{Edits, Files, Trail};
use std::fs;
use std::time::Instant;

/// How many files the host edits.
const FILES: usize = 200;
/// How many lines each has.
const LINES: usize = 60;
/// How many epochs begin meanwhile.
const EPOCHS: usize = 4;
/// How many files the guest edits, beside the host's.
const GUEST_FILES: usize = 20;

/// Measures, and prints the figures.
pub(super) fn run(waypoints: usize, edits: usize, seed: u64, json: bool) -> Result<(), Failure> {
    let stage = Stage::new()?;
    let (mut host, mut guest) = (Node::new("host", stage.dir()), Node::new("guest", stage.dir()));
    let mut dice = Dice::new(seed);
    let mut shown = words::files("src", FILES, LINES, &mut dice);
    fs::create_dir(&host.tree)?;
    let mut trail = Trail::begin(&host.home, &host.tree)?;
    trail.post(&whole(&shown))?;
    trail.mark("joined")?;
    trail.close()?;
    enter(&mut host, &guest)?;
    let own = write_alone(&guest, edits, &mut dice)?;
    let missed = go_on(&host, &mut shown, waypoints, &mut dice)?;
    let sent = {
        let trail = Trail::go_on(&guest.home, &guest.tree)?;
        let (_, sent) = trail.written(0)?;
        trail.close()?;
        sent
    };
    let (seconds, moved) = join(&mut host, &mut guest)?;
    check(&guest, &shown, &own)?;
    let difference = (missed + sent) as f64;
    let print = |figure: &str, unit, cairn, rival, limit| {
        let rival = Some(("the difference, compressed".to_owned(), rival)).filter(|(_, rival)| *rival > 0.0);
        let (bench, figure, limit) = ("history", figure.to_owned(), Limit::AtMost(limit));
        Figure { bench, figure, unit, cairn, rival, limit, runs: 1 }.print(json);
    };
    print("late peer joins", "s", seconds, 0.0, 10.0);
    print("bytes moved", "MB", moved / 1e6, difference / 1e6, 1.2 * difference / 1e6);
    Ok(())
}

fn whole(files: &Files) -> Edits {
    files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect()
}

/// Lets the guest in.
fn enter(host: &mut Node, guest: &Node) -> Result<(), Failure> {
    let invite = text(&host.ask(&["invite", "--role", "write"])?, "invite");
    host.serve()?;
    let address = host.address.clone().unwrap_or_default();
    let tree = guest.tree.display().to_string();
    guest.ask(&["join", &invite, "--peer", &address, &tree])?;
    host.stop()
}

/// What the guest writes while it is away: files of its own, post by post.
fn write_alone(guest: &Node, edits: usize, dice: &mut Dice) -> Result<Files, Failure> {
    let mut own = words::files("guest", GUEST_FILES, LINES, dice);
    let paths: Vec<Vec<u8>> = own.keys().cloned().collect();
    for at in 0..edits {
        let Some((path, bytes)) = paths.get(at % paths.len()).and_then(|path| own.get_key_value(path)) else {
            break;
        };
        let (path, bytes) = (path.clone(), words::edited(bytes, dice));
        let file = guest.tree.join(String::from_utf8_lossy(&path).as_ref());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, &bytes)?;
        own.insert(path, bytes);
        guest.ask(&["post"])?;
    }
    own.retain(|path, _| guest.tree.join(String::from_utf8_lossy(path).as_ref()).exists());
    Ok(own)
}

/// The host's work meanwhile; how many bytes its waypoints come to, compressed.
fn go_on(host: &Node, shown: &mut Files, waypoints: usize, dice: &mut Dice) -> Result<u64, Failure> {
    let mut trail = Trail::go_on(&host.home, &host.tree)?;
    let (before, _) = trail.written(u64::MAX)?;
    for number in 0..waypoints {
        let Some((path, bytes)) = shown.iter_mut().nth(dice.below(FILES)) else { break };
        *bytes = words::edited(bytes, dice);
        trail.post(&Edits::from([(path.clone(), Some(bytes.clone()))]))?;
        if (number + 1) * EPOCHS / waypoints > number * EPOCHS / waypoints {
            trail.mark(&format!("epoch-{number}"))?;
            trail.fade()?;
        }
    }
    let (_, missed) = trail.written(before)?;
    trail.close()?;
    Ok(missed)
}

/// The guest comes back: how long it takes, in seconds, and how many bytes move.
fn join(host: &mut Node, guest: &mut Node) -> Result<(f64, f64), Failure> {
    host.serve()?;
    let address = host.address.clone().unwrap_or_default();
    let parts: Vec<&str> = address.split('/').collect();
    let (Some(port), Some(peer)) = (parts.get(4).and_then(|port| port.parse().ok()), parts.last()) else {
        return Err(bug("serve listens on no port"));
    };
    let proxy = Proxy::to(port)?;
    let door = format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", proxy.port());
    let begun = Instant::now();
    let put = guest.ask(&["put", "--peer", &door])?;
    let seconds = begun.elapsed().as_secs_f64();
    host.stop()?;
    match number(&put, "overlaps") {
        0 => Ok((seconds, proxy.count() as f64)),
        met => Err(bug(&format!("{met} edits met that should not have"))),
    }
}

/// Refuses a guest that does not show its own files and the host's.
fn check(guest: &Node, shown: &Files, own: &Files) -> Result<(), Failure> {
    for (path, bytes) in shown.iter().chain(own) {
        let file = guest.tree.join(String::from_utf8_lossy(path).as_ref());
        if fs::read(&file)? != *bytes {
            return Err(bug(&format!("{} is not what it should be after joining", file.display())));
        }
    }
    Ok(())
}

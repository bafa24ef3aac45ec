//! What a home needs of the machine: a clock that goes right, room on the disk, files that only their owner reaches, and
//! a port that answers.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use cairn_crdt::id::ProjectId;
use cairn_protocol::Replica;

use super::Problem;
use crate::net::Address;
use crate::owner::Owner;
use crate::verbs::{Here, Network};
use crate::worktree::Worktree;
use crate::{clock, unit};

/// How far two clocks may be apart before anybody is told, in milliseconds.
const CLOCK_MS_MAX: u64 = 2 * 60 * 1000;
/// Less room than this on the disk is told, in bytes: a fade, a cut and a fetch need some to work with.
const ROOM_BYTES_MIN: u64 = 256 << 20;
/// How long this machine may take to answer itself.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Everything about the machine.
pub(super) fn problems(owner: &Owner, here: &Here, network: &dyn Network) -> Vec<Problem> {
    let mut problems = clocks(owner);
    let home = owner.home().dir();
    problems.extend(room(
        home,
        rustix::fs::statvfs(home).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
    ));
    problems.extend(permissions(owner, here));
    problems.extend(ports(owner, network));
    problems
}

/// Compares this clock with what others wrote, and with what this machine wrote before.
fn clocks(owner: &Owner) -> Vec<Problem> {
    let now_ms = clock::now_ms();
    let mut problems = Vec::new();
    for repo in owner.repos() {
        let Ok(replica) = owner.replica(repo) else { continue };
        for (project, name) in replica.projects() {
            let newest = newest(replica, project).filter(|(at_ms, _)| *at_ms > now_ms + CLOCK_MS_MAX);
            let Some((at_ms, author)) = newest else { continue };
            let ahead = ahead(at_ms - now_ms);
            let detail = format!("{author} wrote {ahead} ahead of this clock: one of the two is wrong");
            let next = "`date -u` on both machines; `timedatectl set-ntp true` keeps a clock right";
            problems.push(Problem::new("E_CLOCK", format!("//{repo}/{name}"), detail, next));
        }
    }
    // A machine whose clock fell back, or has none that goes on without power, finds its own files in the future.
    let written = ["config.json", "peers.json", "worktrees.json"].iter().filter_map(|file| {
        let changed = fs::metadata(owner.home().dir().join(file)).ok()?.modified().ok()?;
        u64::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    });
    if let Some(at_ms) = written.max().filter(|at_ms| *at_ms > now_ms + CLOCK_MS_MAX) {
        let detail = format!(
            "files of this home were written {} ahead of this clock: it fell back",
            ahead(at_ms - now_ms)
        );
        let next = "`date -u` says what it shows; `timedatectl set-ntp true` keeps it right";
        problems.push(Problem::new("E_CLOCK", owner.home().dir().display().to_string(), detail, next));
    }
    problems
}

/// The newest stamp among the tips of a project's branches, and who wrote it.
fn newest(replica: &Replica, project: ProjectId) -> Option<(u64, String)> {
    let branches = replica.branches(project);
    let tips = branches.iter().flat_map(|(_, frontier)| frontier.heads());
    let entries = tips.filter_map(|id| replica.entry(project, *id));
    let newest = entries.max_by_key(|entry| entry.stamp)?;
    let author =
        newest.author.map_or_else(|| format!("the key {}", newest.key.short()), |author| author.name);
    Some((newest.stamp.wall_ms, author))
}

fn ahead(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ 0..180 => format!("{minutes} minutes"),
        minutes @ 180..4320 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

fn room(home: &Path, free: rustix::io::Result<u64>) -> Option<Problem> {
    let detail = match free {
        Ok(bytes) if bytes >= ROOM_BYTES_MIN => return None,
        Ok(bytes) => format!("{} MiB are free on the disk", bytes >> 20),
        Err(error) => format!("the disk does not say what is free: {error}"),
    };
    let next = "make room: `cairn fade --dry-run` says what of the history could go, and how many bytes";
    Some(Problem::new("E_ROOM", home.display().to_string(), detail, next))
}

/// Who may reach keys and stores: only the user who runs this.
fn permissions(owner: &Owner, here: &Here) -> Vec<Problem> {
    let home = owner.home();
    let mut problems = Vec::new();
    let link = Worktree::find(&here.dir).ok().and_then(|worktree| worktree.link.key);
    let agents = here.key.iter().chain(&link).cloned();
    for path in [home.dir().to_owned(), home.key_path(), home.repos_dir()].into_iter().chain(agents) {
        let Ok(found) = fs::metadata(&path) else { continue };
        let place = path.display().to_string();
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let detail = format!("others on this machine may reach it (mode {mode:03o})");
            let next = format!("chmod go= {place}");
            problems.push(Problem::new("E_PERMISSIONS", place.as_str(), detail, next));
        }
        let me = rustix::process::geteuid().as_raw();
        if found.uid() != me {
            let detail = format!("it belongs to user {}, and this runs as user {me}", found.uid());
            let next = format!("run cairn as one user; `chown -R` gives {} to it", home.dir().display());
            problems.push(Problem::new("E_PERMISSIONS", place.as_str(), detail, next));
        }
    }
    problems
}

/// Whether what is served answers, or could be served where a unit says.
fn ports(owner: &Owner, network: &dyn Network) -> Vec<Problem> {
    let listening = network.addresses();
    if listening.is_empty() {
        let units = unit::listens(owner.home());
        return units.iter().filter_map(|text| taken(text)).collect();
    }
    listening.iter().filter_map(|text| deaf(text)).collect()
}

/// The unit that serves this home does not run, and somebody else has its port.
fn taken(text: &str) -> Option<Problem> {
    let error = TcpListener::bind(socket(text)?).err()?;
    let detail = format!("`cairn serve` does not run, and could not listen there as its unit says: {error}");
    let next = "`ss -ltnp` says who has it; `cairn serve --install --listen ADDRESS` takes another one";
    Some(Problem::new("E_PORT", text, detail, next))
}

/// An address of this machine that does not answer even from here.
fn deaf(text: &str) -> Option<Problem> {
    let error = TcpStream::connect_timeout(&socket(text)?, ANSWER_MAX).err()?;
    let detail = format!("this machine listens there, and does not reach itself: {error}");
    let next = "a firewall here may drop it; start `cairn serve` again where the network has changed since";
    Some(Problem::new("E_PORT", text, detail, next))
}

fn socket(text: &str) -> Option<SocketAddr> {
    let address: Address = text.parse().ok()?;
    let (ip, port): (IpAddr, u16) = address.socket()?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_and_a_roomy_one_is_not() {
        let dir = Path::new("/home");
        assert!(room(dir, Ok(ROOM_BYTES_MIN)).is_none());
        let full = room(dir, Ok(ROOM_BYTES_MIN - 1)).unwrap();
        assert!(full.code == "E_ROOM" && full.detail.contains("255 MiB"), "{full:?}");
        assert!(room(dir, Err(rustix::io::Errno::NOSYS)).is_some());
    }

    #[test]
    fn a_port_that_somebody_has_is_told_and_one_that_does_not_answer_too() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("/ip4/127.0.0.1/tcp/{}", held.local_addr().unwrap().port());
        assert!(taken(&text).is_some());
        assert!(deaf(&text).is_none());
        drop(held);
        assert!(taken(&text).is_none());
        assert!(deaf(&text).is_some());
    }

    #[test]
    fn spans_read_well() {
        assert_eq!(
            [ahead(179 * 60_000), ahead(180 * 60_000), ahead(72 * 3_600_000)],
            ["179 minutes", "3 hours", "3 days"]
        );
    }
}

//! `serve`: serves every repo of the home to its peers, and answers the other commands meanwhile.

use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output::{count, line, short, shorts, size};
use cairn_node::serve::{self, Event, Options};
use cairn_node::unit::{self, Unit};

const EXAMPLES: &str = "\
Examples:
  cairn serve
  cairn serve --install --listen /ip4/0.0.0.0/tcp/4000";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; every address of this machine and a free port when left out, as /ip4/0.0.0.0/tcp/0
    #[arg(long, value_name = "MULTIADDR", num_args = 1..)]
    listen: Vec<String>,
    /// Keep calling this peer, beside those that are remembered
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// Send artifacts no faster than so many bytes a second, over all peers: 500k, 10M
    #[arg(long, value_name = "BYTES", value_parser = crate::args::bytes)]
    upload_limit: Option<u64>,
    /// Do not serve now: write a systemd unit of yours that does, with these options, and say how to enable it.
    /// Without --listen it keeps a port that is free now
    #[arg(long)]
    install: bool,
    /// Remove that unit
    #[arg(long, conflicts_with_all = ["install", "listen", "peers"])]
    uninstall: bool,
}

/// Where `serve` listens when it is not told.
const ANYWHERE: &str = "/ip4/0.0.0.0/tcp/0";

/// Serves until it is told to stop.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    if args.install {
        return written(desk, &unit::install(&desk.home()?, &args.listen, &args.peers)?);
    }
    if args.uninstall {
        return removed(desk, &unit::uninstall()?);
    }
    let listen = if args.listen.is_empty() { vec![ANYWHERE.to_owned()] } else { args.listen };
    let upload_bytes_per_s = args.upload_limit.unwrap_or(0);
    let options = Options { listen, peers: args.peers, upload_bytes_per_s };
    let json = desk.json;
    serve::run(&desk.home()?, &options, &mut |event| tell(&event, json))?;
    Ok(DONE)
}

fn written(desk: &Desk, unit: &Unit) -> Result<u8, Failure> {
    desk.print(unit, || {
        format!(
            "wrote {}\nit listens on {}\nenable it:              {}\nfrom boot, not log-in:  loginctl enable-linger\n",
            unit.unit,
            unit.listen.join(" "),
            unit.next
        )
    })
}

fn removed(desk: &Desk, unit: &Unit) -> Result<u8, Failure> {
    desk.print(unit, || format!("removed {}\nend what runs of it: {}\n", unit.unit, unit.next))
}

/// One line an event.
fn tell(event: &Event, json: bool) {
    if !json {
        words(event).iter().for_each(|words| line(words));
    } else if let Ok(text) = serde_json::to_string(event) {
        line(&text);
    }
}

/// What happened, for people; what is of no interest to them is `None`.
fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Ready { listen, .. } => {
            format!("serving at {}\nstop with Ctrl-C", listen.join("\n           "))
        }
        Event::Peer { peer, connected: true, .. } => format!("{peer} is here"),
        Event::Peer { peer, connected: false, .. } => format!("{peer} went away"),
        Event::Unreachable { address, reason } => format!("cannot reach {address}: {reason}"),
        Event::Joined { repo } => format!("joined repo {}", short(repo)),
        Event::Received { project, feed, waypoints, .. } => {
            format!("{project}: feed {} now has {}", short(feed), count(*waypoints, "waypoint"))
        }
        Event::Merged { project, branch, frontier, .. } => {
            format!("{project}: {branch} is at {}", shorts(frontier))
        }
        Event::Overlap { project, branch, overlaps, .. } => {
            format!("{project}: edits met in {} of {branch}", count(*overlaps, "place"))
        }
        Event::Marked { project, mark, .. } => format!("{project}: mark {mark}"),
        Event::Rejected { peer, reason, .. } => format!("refused something from {peer}: {reason}"),
        Event::Held { project, waypoints, .. } => format!("{project}: held back {}", shorts(waypoints)),
        Event::Forked { project, feed, .. } => format!("{project}: feed {} is forked", short(feed)),
        Event::Faded { project, waypoints, bytes_before, bytes_after, .. } => {
            format!(
                "{project}: {} faded, {bytes_before} -> {bytes_after} bytes",
                count(*waypoints, "waypoint")
            )
        }
        Event::FadeDue { project, waypoints, bytes, .. } => {
            let old = count(*waypoints, "old waypoint");
            format!("{project}: {old} ({bytes} bytes) could fade: cairn fade --auto lets them")
        }
        Event::SyncFailed { peer, reason, .. } => format!("no sync with {peer}: {reason}"),
        Event::Repaired { feed, waypoints, .. } => {
            format!("feed {}: fetched {} again", short(feed), count(*waypoints, "damaged waypoint"))
        }
        Event::Fetched { project, artifact, bytes, .. } => {
            format!("{project}: fetched artifact {}, {}", short(artifact), size(*bytes))
        }
        Event::Unfetched { project, artifact, reason, .. } => {
            format!("{project}: artifact {} did not come: {reason}", short(artifact))
        }
        Event::Stopped {} => "stopped".to_owned(),
        _ => return None,
    })
}

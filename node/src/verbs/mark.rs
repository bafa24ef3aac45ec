//! `mark`: a signed name for a version, with a changelog entry; marked versions never fade.
//!
//! An admin's mark on what a branch shows begins an epoch: its waypoint writes down all that is shown, so that
//! everything below can fade and the mark can still be restored.
//!
//! A mark may say how long it is to be kept, and may be held: then nobody deletes it until an admin
//! lifts the hold. What is deleted leaves a signed tombstone, and the name is free again.

mod epoch;
mod told;

use cairn_crdt::Draft;
use cairn_crdt::id::{FeedId, WaypointId};
use cairn_protocol::Labels;
use cairn_protocol::grant::Role;
use cairn_protocol::hash::LogHash;
use cairn_protocol::limits::LABEL_BYTES_MAX;
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::replica::FeedInfo;
use cairn_protocol::retire::{Retire, Retired};
use cairn_protocol::text::is_label;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::check_label;
use crate::verbs::{Here, Place, Site, Version};
use crate::worktree::link::digits;

pub use told::Told;
pub(crate) use told::{changelog, told};

/// What `mark` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The name.
    pub name: String,
    /// The changelog entry, or why the mark is deleted or released.
    pub message: String,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// How long it is to be kept.
    pub class: Option<String>,
    /// Why it must not be deleted.
    pub hold: Option<String>,
    /// Whether it only pins, though it could begin an epoch.
    pub pin: bool,
    /// What to do.
    pub action: Action,
}

/// What to do with a mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets it.
    #[default]
    Set,
    /// Deletes it, leaving a tombstone.
    Delete,
    /// Lifts the hold on it.
    Release,
}

/// What `mark` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The name.
    pub mark: String,
    /// The version it names.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// Why it only pins what it marks, where it does: no epoch begins with it, and what lies below never fades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// `deleted` or `released`, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// The waypoint that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waypoint: Option<String>,
}

/// Writes the mark, or what becomes of it.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    match args.action {
        Action::Set => set(owner, args),
        Action::Delete => delete(owner, &Site::open(owner, &args.here)?, &args.name, &args.message),
        Action::Release => release(owner, args),
    }
}

fn set(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    check_label(&args.name)?;
    check_keep(args)?;
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let place = version.place;
    let mut site = Site::open(owner, &args.here)?;
    if site.place != place {
        return Err(NodeError::Usage("a mark is made in a worktree of the same project".to_owned()));
    }
    site.check_shared(owner, &version.frontier)?;
    let root = place.view(owner, &version.frontier)?.root;
    let replica = owner.replica(place.repo)?;
    if version.frontier.is_empty() {
        return Err(NodeError::Usage("nothing was posted yet, so there is nothing to mark".to_owned()));
    }
    if replica.marks(place.project).iter().any(|(_, mark)| mark.name == args.name) {
        return Err(NodeError::Refused(format!(
            "the mark {} is there already, and marks do not move",
            args.name
        )));
    }
    let feeds: Vec<_> = replica.feeds(place.project).iter().filter_map(absorbed).collect();
    let mark = Mark {
        name: args.name.clone(),
        message: args.message.clone(),
        frontier: version.frontier.heads().to_vec(),
        root,
        feeds: feeds_root(&feeds),
        class: args.class.clone(),
        hold: args.hold.clone(),
    };
    let labels = Labels { mark: Some(mark), ..Labels::default() };
    let beginning = match args.pin {
        true => Err("nothing else was asked for".to_owned()),
        false => epoch::beginning(owner, &site, &version.frontier)?,
    };
    let (frontier, pinned) = match beginning {
        Ok(draft) => {
            let epoch = owner.replica(place.repo)?.epoch_on(place.project, &version.frontier, root);
            let labels = Labels { epoch: Some(epoch), branch: Some(site.branch().to_owned()), ..labels };
            let written = site.write(owner, version.frontier, draft, labels)?;
            site.settle_on(written.waypoint)?;
            (site.frontier().clone(), None)
        }
        Err(why) => {
            site.write(owner, version.frontier.clone(), Draft::default(), labels)?;
            (version.frontier, Some(why))
        }
    };
    let (mark, root) = (args.name.clone(), root.to_string());
    Ok(Answer { mark, frontier: digits(&frontier), root, pinned, ..Answer::default() })
}

fn check_keep(args: &Args) -> Result<(), NodeError> {
    if args.class.as_deref().is_some_and(|class| !is_label(class, LABEL_BYTES_MAX)) {
        return Err(NodeError::Usage("a class is one line of at most 200 bytes".to_owned()));
    }
    if args.hold.as_deref().is_some_and(|why| why.trim().is_empty()) {
        return Err(NodeError::Usage("a hold says why".to_owned()));
    }
    Ok(())
}

/// The marks of that name, with the waypoints that set them.
fn marks(owner: &Owner, place: Place, name: &str) -> Result<Vec<(WaypointId, Mark)>, NodeError> {
    let mut marks = owner.replica(place.repo)?.marks(place.project);
    marks.retain(|(_, mark)| mark.name == name);
    if marks.is_empty() {
        place.reference(owner, name)?;
        return Err(NodeError::NotFound { what: "mark", name: name.to_owned() });
    }
    Ok(marks)
}

/// Takes the marks of a name away; their versions stay until they fade.
pub(super) fn delete(owner: &mut Owner, site: &Site, name: &str, why: &str) -> Result<Answer, NodeError> {
    let marks = marks(owner, site.place, name)?;
    if let Some(hold) = marks.iter().find_map(|(_, mark)| mark.hold.as_ref()) {
        return Err(NodeError::Refused(format!(
            "the mark {name} is held: {hold}; an admin lifts that with `cairn mark --release {name} -m WHY`"
        )));
    }
    retire(owner, site, Retired::Mark, &marks, why)
}

fn release(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let (place, name) = (site.place, &args.name);
    let marks = marks(owner, place, name)?;
    if marks.iter().all(|(_, mark)| mark.hold.is_none()) {
        return Err(NodeError::Refused(format!("the mark {name} is not held")));
    }
    let grants = owner.replica(place.repo)?.grants();
    if !grants.may(&site.key(owner), Role::Admin, place.project, clock::now_ms()) {
        return Err(NodeError::Ungranted(format!("only an admin lifts the hold on {name}")));
    }
    retire(owner, &site, Retired::Hold, &marks, &args.message)
}

/// Writes a record on top of each of the marks, so that it has seen them.
fn retire(
    owner: &mut Owner,
    site: &Site,
    what: Retired,
    marks: &[(WaypointId, Mark)],
    why: &str,
) -> Result<Answer, NodeError> {
    let mut answer = Answer::default();
    for (set, mark) in marks {
        // A deletion must have seen who lifted a hold, or it takes nothing away.
        let replica = owner.replica(site.place.repo)?;
        let mut seen = replica.releases(site.place.project, set);
        seen.push(*set);
        let on = site.place.blend(owner, [&seen.into_iter().collect()])?;
        let record = Retire { what, name: mark.name.clone(), message: why.to_owned() };
        let labels = Labels { retire: Some(record), ..Labels::default() };
        let written = site.write(owner, on, Draft::default(), labels)?;
        answer.waypoint = Some(written.waypoint.to_string());
        (answer.mark, answer.root) = (mark.name.clone(), mark.root.to_string());
        answer.frontier.extend(mark.frontier.iter().map(WaypointId::to_string));
    }
    let done = if what == Retired::Mark { "deleted" } else { "released" };
    Ok(Answer { done: Some(done.to_owned()), ..answer })
}

/// How far a feed has come, as a mark takes it in.
pub(crate) fn absorbed(feed: &FeedInfo) -> Option<(FeedId, u64, LogHash)> {
    let top = feed.top.as_ref()?;
    Some((feed.feed, top.n, top.root))
}

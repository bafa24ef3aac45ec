//! `grant`: gives a key a right in the project, or says who holds which.

use std::collections::BTreeMap;

use cairn_protocol::grant::{Grant, Grants, Held, Role, Scope};
use cairn_protocol::{DeviceKey, Replica};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::Uri;
use crate::verbs::invite::{end, link};
use crate::verbs::rights::{Terms, names, role, who, word};
use crate::verbs::{Here, Network, Site};
use crate::{clock, identity};

/// What `grant` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Who gets it: a device key or its first digits, a peer, a name; nobody, where the rights are only listed.
    pub who: Option<String>,
    /// `read`, `write` or `admin`; `write` when left out.
    pub role: Option<String>,
    /// How long it lasts: `7d`, `12h`; without end when left out.
    pub expires: Option<String>,
    /// Whether it holds in every project of the repo.
    pub all_projects: bool,
}

/// What `grant` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// Who holds what there, founders first; or only what was given now.
    pub rights: Vec<Right>,
    /// Where something was given: the link by which that key enters. It is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What one key holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// The key.
    pub key: String,
    /// What it calls itself.
    pub name: Option<String>,
    /// Whether it is this device's own.
    pub mine: bool,
    /// `founder`, `admin`, `write` or `read`.
    pub role: String,
    /// The project; `null` is the whole repo.
    pub project: Option<String>,
    /// Who gave it: the key; nobody, to a founder.
    pub by: Option<String>,
    /// What that one is called.
    pub by_name: Option<String>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// `holds`, `revoked`, `expired`, or `spent`, where it was handed on to more keys than it may be.
    pub state: String,
    /// Whether it is the key of a link, by which others come in, and no device.
    pub link: bool,
    /// How many waypoints of it are here.
    pub waypoints: u64,
    /// The signed grant; a founder has none.
    pub grant: Option<String>,
}

/// Gives, or lists.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let place = site.place;
    let repo = place.repo.to_string();
    let Some(word) = &args.who else {
        return Ok(Answer { repo, rights: rights(owner, owner.replica(place.repo)?)?, link: None });
    };
    let subject = who(owner, owner.replica(place.repo)?, word)?;
    let role = role(args.role.as_deref().unwrap_or("write"))?;
    if owner.replica(place.repo)?.grants().is_founder(&subject) {
        return Err(NodeError::Refused(format!("{word} is a founder, who may do everything already")));
    }
    let terms = Terms {
        role,
        scope: if args.all_projects { Scope::All } else { Scope::Project(place.project) },
        not_after_ms: args.expires.as_deref().map(end).transpose()?,
        uses: None,
        delegable: role == Role::Admin,
    };
    let given = terms.give(owner, place.repo, subject)?.id().to_string();
    let mut rights = rights(owner, owner.replica(place.repo)?)?;
    rights.retain(|right| right.grant.as_ref() == Some(&given));
    let uri = Uri { peers: network.addresses(), ..link(owner, place, site.branch())? };
    Ok(Answer { repo, rights, link: Some(uri.to_string()) })
}

/// What every key holds or held in a repo: founders, then the grants, what holds first.
pub(super) fn rights(owner: &Owner, replica: &Replica) -> Result<Vec<Right>, NodeError> {
    let (mine, names) = (identity::device(owner.home())?.key(), names(replica));
    let projects: BTreeMap<_, _> = replica.projects().collect();
    let (grants, now_ms) = (replica.grants(), clock::now_ms());
    let mut written = BTreeMap::<DeviceKey, u64>::new();
    for feed in projects.keys().flat_map(|project| replica.feeds(*project)) {
        *written.entry(feed.key).or_default() += feed.n;
    }
    let right = |key: &DeviceKey, role: &str| Right {
        key: key.to_string(),
        name: names.get(key).cloned(),
        mine: *key == mine,
        waypoints: written.get(key).copied().unwrap_or(0),
        role: role.to_owned(),
        state: "holds".to_owned(),
        ..Right::default()
    };
    let mut rights: Vec<Right> = grants.founders().iter().map(|key| right(key, "founder")).collect();
    let mut given: Vec<_> = grants.all().map(|(id, grant)| (grants.ended(id, now_ms), id, grant)).collect();
    given.sort_by_key(|(ended, id, grant)| {
        (ended.is_some(), std::cmp::Reverse(grant.role), grant.subject, *id)
    });
    rights.extend(given.into_iter().map(|(ended, id, grant)| Right {
        project: match grant.scope {
            Scope::All => None,
            Scope::Project(project) => {
                Some(projects.get(&project).map_or_else(|| project.to_string(), |name| (*name).to_owned()))
            }
        },
        by: Some(grant.issuer.to_string()),
        by_name: names.get(&grant.issuer).cloned(),
        expires_ms: grant.not_after_ms,
        state: state(ended).to_owned(),
        link: is_link(grants, grant, written.contains_key(&grant.subject)),
        grant: Some(id.to_string()),
        ..right(&grant.subject, word(grant.role))
    }));
    Ok(rights)
}

fn state(ended: Option<Held>) -> &'static str {
    match ended {
        None => "holds",
        Some(Held::Revoked) => "revoked",
        Some(Held::Expired) => "expired",
        Some(Held::Uses) => "spent",
    }
}

/// Whether a grant's subject is a link's one-time key: it wrote nothing, and may hand on more than an ordinary
/// device, or has done so.
fn is_link(grants: &Grants, grant: &Grant, wrote: bool) -> bool {
    let has_guests = || grants.all().any(|(_, below)| below.issuer == grant.subject);
    grant.delegable && !wrote && (grant.role != Role::Admin || has_guests())
}

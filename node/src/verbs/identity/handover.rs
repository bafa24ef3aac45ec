//! What one device of a person hands to the next: a one-time key that holds their rights in every repo, their name, and
//! where to ask. The new device signs those rights over to a key of its own, fetches every repo, and makes a worktree
//! of each project.

use std::path::{Path, PathBuf};

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{RepoId, hex};
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::text::is_label;
use cairn_protocol::{DeviceKey, Keypair, Wanted};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::net::{Address, peer_name};
use crate::owner::Owner;
use crate::peers::PeerBook;
use crate::uri::NAME_BYTES_MAX;
use crate::verbs::invite::Invitation;
use crate::verbs::join::{Answer, bytes_of_hex, settle};
use crate::verbs::rights::handed_on;
use crate::verbs::{DEFAULT_BRANCH, Here, Network, Place};
use crate::worktree::Link;
use crate::{entropy, identity};

/// How the link of a device begins.
const SCHEME: &str = "cairn:device:";
/// The most bytes of such a link.
const LINK_BYTES_MAX: usize = 1 << 20;
/// The most repos, and projects of one, that a link names.
const NAMED_MAX: usize = 4096;
/// The most addresses of a link: this device's, and of peers that share repos with it.
const ADDRESSES_MAX: usize = 16;

/// What became of the rights in one repo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The repo.
    pub repo: String,
    /// Its projects.
    pub projects: Vec<String>,
    /// Whether the new device may do there what this one may; if not, an admin has to let it in.
    pub granted: bool,
}

/// A repo that could not be brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The repo.
    pub repo: String,
    /// Why.
    pub reason: String,
}

/// What the link of a device carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    secret: [u8; 32],
    name: String,
    mail: String,
    peers: Vec<String>,
    repos: Vec<Shared>,
}

/// One repo of a handover.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shared {
    repo: RepoId,
    projects: Vec<String>,
    chain: Vec<GrantRecord>,
}

impl Handover {
    /// Signs this device's rights over to a new one-time key, in every repo where it may hand them on.
    pub(super) fn make(
        owner: &mut Owner,
        network: &mut dyn Network,
    ) -> Result<(Self, Vec<Handed>), NodeError> {
        let device = identity::device(owner.home())?;
        let secret: [u8; 32] = entropy::random()?;
        let once = Keypair::from_secret(&secret).key();
        let (mut repos, mut handed) = (Vec::new(), Vec::new());
        for repo in owner.repos() {
            let replica = owner.replica(repo)?;
            let projects: Vec<String> = replica.projects().map(|(_, name)| name.to_owned()).collect();
            let grants = handed_on(replica, &device, once)?.into_iter();
            let grants = grants.map(|grant| grant.sign(&device)).collect::<Result<Vec<_>, _>>()?;
            let granted = !grants.is_empty();
            if granted {
                owner.grant(repo, grants)?;
                let chain = owner.replica(repo)?.grants().chain(&once);
                repos.push(Shared { repo, projects: projects.clone(), chain });
            }
            handed.push(Handed { repo: repo.to_string(), projects, granted });
        }
        if repos.is_empty() {
            let why = "this device has no right that it may hand on: an admin lets the new one in with `cairn grant`";
            return Err(NodeError::Refused(why.to_owned()));
        }
        let mut peers = network.addresses();
        peers.extend(PeerBook::load(owner.home()).addresses(None).iter().map(Address::to_string));
        peers.truncate(ADDRESSES_MAX);
        let config = owner.config();
        let (name, mail) = (config.name.clone().unwrap_or_default(), config.mail.clone().unwrap_or_default());
        Ok((Self { secret, name, mail, peers, repos }, handed))
    }

    /// The one-time key.
    pub(super) fn key(&self) -> DeviceKey {
        Keypair::from_secret(&self.secret).key()
    }

    /// Where it says to ask.
    pub(super) fn addresses(&self) -> &[String] {
        &self.peers
    }

    /// The link.
    pub(super) fn link(&self) -> Result<String, NodeError> {
        let link = format!("{SCHEME}{}", hex(&self.to_bytes()));
        let fits = link.len() <= LINK_BYTES_MAX;
        fits.then_some(link).ok_or_else(|| NodeError::Refused("too many repos for one link".to_owned()))
    }

    /// Reads such a link; `None` where it is a link of another kind.
    pub(in crate::verbs) fn read(link: &str) -> Result<Option<Self>, NodeError> {
        let Some(digits) = link.strip_prefix(SCHEME) else { return Ok(None) };
        let bad = || {
            NodeError::Usage("this is not the whole link that `cairn identity add-device` made".to_owned())
        };
        let bytes = (link.len() <= LINK_BYTES_MAX).then(|| bytes_of_hex(digits)).flatten();
        bytes.and_then(|bytes| Self::from_bytes(&bytes).ok()).map(Some).ok_or_else(bad)
    }

    /// Takes over the name, fetches every repo, and makes a worktree of each project below the folder.
    pub(in crate::verbs) fn enter(
        &self,
        owner: &mut Owner,
        here: &Here,
        (peers, lazy): (&[String], bool),
        network: &mut dyn Network,
    ) -> Result<Answer, NodeError> {
        let own = format!("/p2p/{}", peer_name(identity::device(owner.home())?.key())?);
        let linked = self.peers.iter().filter(|peer| !peer.ends_with(&own));
        let peers: Vec<String> = peers.iter().chain(linked).cloned().collect();
        let (mut brought, mut missed, mut first) = (Vec::new(), Vec::new(), None);
        for shared in &self.repos {
            match self.bring(owner, (here, lazy), shared, &peers, network) {
                Ok(answers) => brought.extend(answers),
                Err(error) => {
                    missed.push(Missed { repo: shared.repo.to_string(), reason: error.to_string() });
                    first.get_or_insert(error);
                }
            }
        }
        if !brought.is_empty() {
            self.take_name(owner)?;
        }
        let mut brought = brought.into_iter();
        match (brought.next(), first) {
            (Some(one), _) => Ok(Answer { others: brought.collect(), missed, ..one }),
            (None, Some(error)) => Err(error),
            (None, None) => Err(NodeError::Usage("the link names no project".to_owned())),
        }
    }

    fn take_name(&self, owner: &mut Owner) -> Result<(), NodeError> {
        if owner.config().name.is_some() || self.name.is_empty() {
            return Ok(());
        }
        owner.configure(|config| {
            config.name = Some(self.name.clone());
            config.mail = Some(self.mail.clone()).filter(|mail| !mail.is_empty());
        })
    }

    fn bring(
        &self,
        owner: &mut Owner,
        (here, lazy): (&Here, bool),
        shared: &Shared,
        peers: &[String],
        network: &mut dyn Network,
    ) -> Result<Vec<Answer>, NodeError> {
        let Shared { repo, projects, chain } = shared;
        let invitation = Invitation { secret: self.secret, chain: chain.clone() };
        let device = identity::device(owner.home())?.key();
        let agreed = if owner.replica(*repo).is_err() {
            let grants = invitation.accept(device)?;
            network
                .join(owner, Wanted { repo: *repo, projects: projects.clone(), grants }, peers)?
                .peers
                .len()
        } else {
            if owner.replica(*repo)?.grants().of(&device).is_empty() {
                owner.grant(*repo, invitation.accept(device)?)?;
            }
            network.sync(owner, *repo, peers)?.peers.len()
        };
        let mut answers = Vec::new();
        for project in projects {
            let place = Place::find(owner, *repo, Some(project))?;
            let dir = folder(&here.dir, *repo, project)?;
            let answer = match Link::load(&dir)? {
                // The command was given before: what is there stays as it is.
                Some(_) => Answer { repo: repo.to_string(), project: project.clone(), ..Answer::default() },
                None => {
                    let here = Here { dir: dir.clone(), key: None };
                    settle(owner, &here, place, (DEFAULT_BRANCH, lazy), network)?
                }
            };
            answers.push(Answer { agreed: agreed as u64, dir: Some(dir.display().to_string()), ..answer });
        }
        Ok(answers)
    }
}

/// Where a project goes: the last part of its name, below the folder; the whole name where that is taken by another.
fn folder(below: &Path, repo: RepoId, project: &str) -> Result<PathBuf, NodeError> {
    let name = project.rsplit('/').next().unwrap_or(project);
    let short = below.join(name);
    let is_free = match Link::load(&short)? {
        Some(link) => link.repo == repo && link.project == project,
        None => !short.exists(),
    };
    if is_free && !name.starts_with('.') {
        return Ok(short);
    }
    let whole = project.trim_start_matches('@').replace('/', "-");
    Ok(below.join(format!("{whole}-{}", repo.short())))
}

impl Encoded for Handover {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.secret);
        write_texts(out, &[self.name.clone(), self.mail.clone()]);
        write_texts(out, &self.peers);
        out.list(&self.repos);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let secret = input.array()?;
        let at = input.clone();
        let [name, mail] = <[String; 2]>::try_from(read_texts(input, 2, NAME_BYTES_MAX)?)
            .map_err(|_| at.error(Problem::Invalid("name and mail")))?;
        let is_plain = |text: &str| text.is_empty() || is_label(text, NAME_BYTES_MAX);
        at.require(is_plain(&name) && is_plain(&mail), "name and mail")?;
        let peers = read_texts(input, ADDRESSES_MAX, NAME_BYTES_MAX)?;
        Ok(Self { secret, name, mail, peers, repos: input.list(NAMED_MAX)? })
    }
}

impl Encoded for Shared {
    fn write(&self, out: &mut Writer) {
        self.repo.write(out);
        write_texts(out, &self.projects);
        out.list(&self.chain);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let repo = RepoId::read(input)?;
        let projects = read_texts(input, NAMED_MAX, NAME_BYTES_MAX)?;
        let chain = input.list(cairn_protocol::limits::SHOWN_GRANTS_COUNT_MAX)?;
        Ok(Self { repo, projects, chain })
    }
}

fn write_texts(out: &mut Writer, texts: &[String]) {
    out.count(texts.len() as u64);
    texts.iter().for_each(|text| out.bytes(text.as_bytes()));
}

fn read_texts(input: &mut Reader<'_>, count_max: usize, bytes_max: usize) -> Decode<Vec<String>> {
    let mut texts = Vec::new();
    for _ in 0..input.count(count_max as u64)? {
        let at = input.clone();
        let text = std::str::from_utf8(input.bytes(bytes_max)?);
        texts.push(text.map_err(|_| at.error(Problem::Invalid("text")))?.to_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover() -> Handover {
        let shared =
            Shared { repo: RepoId([7; 32]), projects: vec!["@me/notes".to_owned()], chain: Vec::new() };
        let peers = vec!["/ip4/127.0.0.1/tcp/4001".to_owned()];
        Handover { secret: [1; 32], name: "Ana".to_owned(), mail: String::new(), peers, repos: vec![shared] }
    }

    #[test]
    fn a_link_is_read_as_it_was_made_and_never_in_part() {
        let link = handover().link().unwrap();
        assert_eq!(Handover::read(&link).unwrap(), Some(handover()));
        for length in SCHEME.len()..link.len() {
            assert!(Handover::read(&link[..length]).is_err(), "{length}");
        }
        assert!(Handover::read(&format!("{link}00")).is_err());
        assert_eq!(Handover::read("cairn://notes?invite=00").unwrap(), None);
        let lines = Handover { name: "An\na".to_owned(), ..handover() };
        assert!(Handover::read(&lines.link().unwrap()).is_err());
    }

    #[test]
    fn two_projects_of_one_name_get_a_folder_each_and_none_leaves_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let place = |project| folder(dir.path(), RepoId([7; 32]), project).unwrap();
        assert_eq!(place("@me/notes"), dir.path().join("notes"));
        std::fs::create_dir(dir.path().join("notes")).unwrap();
        assert_eq!(place("@me/notes").parent(), Some(dir.path()));
        assert_ne!(place("@me/notes"), dir.path().join("notes"));
        for odd in ["@me/..", "@me/.cairn", "@../.."] {
            let placed = place(odd);
            assert_eq!(placed.components().count(), dir.path().components().count() + 1, "{odd}");
            assert!(placed.file_name().is_some_and(|name| name != ".." && name != ".cairn"), "{odd}");
        }
    }
}

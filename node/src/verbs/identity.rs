//! `identity`: the device key: shown, named, backed up, restored, left for a new one, and joined by another device's.

mod fork;
mod handover;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::identity;
use crate::net::peer_name;
use crate::owner::Owner;
use crate::uri::NAME_BYTES_MAX;
use crate::verbs::{Here, Network};

pub use fork::Moved;
pub use handover::{Handed, Handover, Missed};

/// What `identity` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// What `identity` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The device key.
    pub key: String,
    /// The peer that it is on the network.
    pub peer: String,
    /// The name that it gave itself.
    pub name: Option<String>,
    /// The mail address that it gave itself.
    pub mail: Option<String>,
    /// The file that was written or read.
    pub path: Option<String>,
    /// What became of what the old key had, when there is a new one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<Moved>,
    /// The link by which another device of the same person comes in. Whoever holds it has this one's rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The one-time key of that link, by which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_key: Option<String>,
    /// Where that link says to ask: this home if it is served now, and peers that share its repos.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What that link brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed: Vec<Handed>,
}

/// What to do with the device key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Shows it.
    #[default]
    Show,
    /// Gives it a name, which the next post of each project tells.
    Name {
        /// The name.
        name: String,
        /// The mail address.
        mail: Option<String>,
    },
    /// Writes it to a file.
    Backup {
        /// The file; an absolute path.
        out: PathBuf,
    },
    /// Reads it back from a file.
    Restore {
        /// The file; an absolute path.
        from: PathBuf,
    },
    /// Leaves it for a new one: it was copied, and another machine writes with it too.
    Fork,
    /// Makes a link by which another device of the same person gets a key of its own, with the same rights.
    AddDevice {
        /// The file that the link is written to; an absolute path.
        out: Option<PathBuf>,
    },
}

/// Shows, names, backs up or restores.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let home = owner.home().clone();
    let path = match &args.action {
        Action::Show => None,
        Action::Name { name, mail } => {
            set_name(owner, name, mail.as_deref())?;
            None
        }
        Action::Backup { out } => {
            identity::backup(&home, out)?;
            Some(out)
        }
        Action::Restore { from } => {
            identity::restore(&home, from)?;
            Some(from)
        }
        Action::Fork => return fork::run(owner),
        Action::AddDevice { out } => return add_device(owner, out.as_deref(), network),
    };
    told(owner, path.map(|path| path.display().to_string()), Vec::new())
}

fn told(owner: &Owner, path: Option<String>, repos: Vec<Moved>) -> Result<Answer, NodeError> {
    let key = identity::device(owner.home())?.key();
    Ok(Answer {
        key: key.to_string(),
        peer: peer_name(key)?,
        name: owner.config().name.clone(),
        mail: owner.config().mail.clone(),
        path,
        repos,
        ..Answer::default()
    })
}

fn add_device(owner: &mut Owner, out: Option<&Path>, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let (handover, handed) = Handover::make(owner, network)?;
    let link = handover.link()?;
    if let Some(out) = out {
        identity::write_new(out, format!("{link}\n").as_bytes())?;
    }
    let path = out.map(|out| out.display().to_string());
    let link_key = Some(handover.key().to_string());
    let addresses = handover.addresses().to_vec();
    Ok(Answer { link: Some(link), link_key, addresses, handed, ..told(owner, path, Vec::new())? })
}

/// Sets the name that the next post of each project carries.
fn set_name(owner: &mut Owner, name: &str, mail: Option<&str>) -> Result<(), NodeError> {
    let long = |text: &str| text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control);
    if name.is_empty() || long(name) || mail.is_some_and(long) {
        return Err(NodeError::Usage(format!(
            "a name or a mail address has 1 to {NAME_BYTES_MAX} plain characters"
        )));
    }
    owner.configure(|config| {
        config.name = Some(name.to_owned());
        if let Some(mail) = mail {
            config.mail = Some(mail.to_owned());
        }
    })
}

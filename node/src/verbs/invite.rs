//! `invite`: a link that lets another device in, once or a few times, until it expires.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::hex;
use cairn_protocol::grant::{Grant, GrantRecord, Role, Scope};
use cairn_protocol::{DeviceKey, Keypair};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::{Ref, Uri};
use crate::verbs::rights::{Terms, role};
use crate::verbs::{Here, Network, Place, Site};
use crate::{clock, entropy};

/// What `invite` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// `read`, `write` or `admin`; `write` when left out.
    pub role: Option<String>,
    /// How long the right lasts, the link's and that of who joined by it: `7d`, `12h`, `30m`, `45s`;
    /// without end when left out. A chain of rights only narrows, so no right outlives the link's.
    pub expires: Option<String>,
    /// How many devices may join by it; one when left out, any number by an admin's: the bound holds for
    /// each admin who joins by it as well.
    pub uses: Option<u32>,
}

/// What `invite` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The link: `cairn:…`.
    pub invite: String,
}

/// Signs a grant to a one-time key and writes both into a link.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let place = site.place;
    let role = role(args.role.as_deref().unwrap_or("write"))?;
    let invitation = invitation(owner, place, role, args.expires.as_deref(), args.uses)?;
    let peers = network.addresses();
    let uri = Uri { peers, invite: Some(hex(&invitation.to_bytes())), ..link(owner, place, site.branch())? };
    Ok(Answer { invite: uri.to_string() })
}

/// Signs a grant in a project to a one-time key.
pub(super) fn invitation(
    owner: &mut Owner,
    place: Place,
    role: Role,
    expires: Option<&str>,
    uses: Option<u32>,
) -> Result<Invitation, NodeError> {
    let secret = entropy::random()?;
    let subject = Keypair::from_secret(&secret).key();
    let terms = Terms {
        role,
        scope: Scope::Project(place.project),
        not_after_ms: expires.map(end).transpose()?,
        // What bounds the link bounds whoever joins by it: an admin could then let in only as many.
        uses: uses.or((role != Role::Admin).then_some(1)),
        delegable: true,
    };
    terms.give(owner, place.repo, subject)?;
    Ok(Invitation { secret, chain: owner.replica(place.repo)?.grants().chain(&subject) })
}

/// The place that a link names; it lets nobody in.
pub(super) fn link(owner: &Owner, place: Place, branch: &str) -> Result<Uri, NodeError> {
    Ok(Uri {
        repo: Some(place.repo.to_string()),
        project: Some(place.name(owner)?),
        refs: vec![Ref { name: branch.to_owned(), at: None }],
        ..Uri::default()
    })
}

/// The most records that an invitation shows: the longest chain.
const CHAIN_COUNT_MAX: usize = cairn_protocol::limits::GRANT_CHAIN_COUNT_MAX;

/// What an invitation carries beside the address: a one-time key and the chain of rights that ends in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The one-time key's secret.
    pub secret: [u8; 32],
    /// From the founder's grant to the one that names the key.
    pub chain: Vec<GrantRecord>,
}

impl Encoded for Invitation {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.secret);
        out.list(&self.chain);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { secret: input.array()?, chain: input.list(CHAIN_COUNT_MAX)? })
    }
}

impl Invitation {
    /// The chains that end in the one-time key, and below each what hands it on to `subject`.
    pub fn accept(&self, subject: DeviceKey) -> Result<Vec<GrantRecord>, NodeError> {
        let once = Keypair::from_secret(&self.secret);
        let mut chain = self.chain.clone();
        let claimed = self.chain.iter().filter_map(|record| match record {
            GrantRecord::Grant(grant) => Some(grant.claimed()),
            GrantRecord::Revocation(_) => None,
        });
        for above in claimed.filter(|above| above.subject == once.key() && above.delegable) {
            let grant = Grant {
                issuer: once.key(),
                subject,
                delegable: above.role == Role::Admin,
                depth: above.depth.saturating_add(1),
                parent: Some(above.id()),
                seen: Vec::new(),
                nonce: entropy::random()?,
                ..above.clone()
            };
            chain.push(grant.sign(&once)?);
        }
        if chain.len() == self.chain.len() {
            return Err(NodeError::Refused("the invitation holds no grant for its own key".to_owned()));
        }
        Ok(chain)
    }
}

fn no_duration(text: &str) -> NodeError {
    NodeError::Usage(format!("{text:?} is no duration: 45s, 30m, 12h, 7d, 2w, 1y"))
}

/// When a duration that begins now ends.
pub(super) fn end(text: &str) -> Result<u64, NodeError> {
    clock::now_ms().checked_add(duration_ms(text)?).ok_or_else(|| no_duration(text))
}

/// A duration as people write it, in milliseconds.
pub(super) fn duration_ms(text: &str) -> Result<u64, NodeError> {
    let bad = || no_duration(text);
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1_u64,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        'y' => 31_536_000,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    count.checked_mul(seconds).and_then(|seconds| seconds.checked_mul(1_000)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_not() {
        let now = clock::now_ms();
        assert!((now + 7 * 86_400_000..now + 7 * 86_400_000 + 60_000).contains(&end("7d").unwrap()));
        assert!(end("0s").unwrap() >= now);
        for bad in ["", "d", "7", "-1d", "7x", "99999999999999999999d", "18446744073709551615w", "7\u{e9}"] {
            assert!(end(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fuzz_no_bytes_make_an_invitation_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for length in 0..2_000_usize {
            let bytes: Vec<u8> = (0..length % 600)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            if let Ok(invitation) = Invitation::from_bytes(&bytes) {
                assert_eq!(invitation.to_bytes(), bytes);
            }
        }
    }
}

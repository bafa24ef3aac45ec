//! The network: libp2p over TCP with Noise and Yamux, and nothing of it outside this folder.
//!
//! A node's network identity *is* its device key: Noise proves that the peer holds the key that
//! grants are written for, so no second authentication is needed. Peers with other kinds of keys
//! are let go.
//!
//! Two sides, joined by two bounded channels. The *driver* (`driver.rs`) owns the swarm and runs on
//! a small runtime; it turns what happens on the wire into inputs and effects into what happens on
//! the wire, and decides nothing. The *session* lives on the thread that owns the store, feeds the
//! inputs to the core and passes its effects on. A command and a running `serve` use the same
//! session; they differ in how long it lives.

mod behaviour;
mod dial;
mod errands;
mod exchange;
mod fetch;
mod frame;
mod gossip;
mod large;
mod lend;
#[cfg(test)]
mod loopback;
pub(crate) mod obstacle;
mod session;
mod streams;
mod verbs;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use cairn_protocol::key::{DeviceKey, Keypair};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, identity};

use crate::error::NodeError;

pub(crate) use behaviour::{Behaviour, BehaviourEvent};
pub(crate) use dial::DialBook;
pub use exchange::Exchanged;
pub(crate) use gossip::{topic_hash, topic_of};
pub(crate) use large::Errand;
pub use large::{Haul, Moved};
pub use session::Session;
pub(crate) use session::{News, Waited};

/// Where a peer can be reached: a multiaddress, as a rule ending in `/p2p/<peer>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(Multiaddr);

impl Address {
    /// The peer that must answer there, where the address says so.
    pub fn peer(&self) -> Option<DeviceKey> {
        self.peer_id().and_then(|peer| device_key(&peer))
    }

    /// The same place, with the peer that answers there.
    pub(crate) fn of_peer(place: Multiaddr, peer: PeerId) -> Self {
        let place = place.with_p2p(peer);
        Self(place.unwrap_or_else(|other| other))
    }

    pub(crate) fn of_place(place: Multiaddr) -> Self {
        Self(place)
    }

    pub(crate) fn multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    pub(crate) fn peer_id(&self) -> Option<PeerId> {
        self.0.iter().find_map(|part| match part {
            Protocol::P2p(peer) => Some(peer),
            _ => None,
        })
    }

    /// The place of a TCP address that is written in numbers.
    pub(crate) fn socket(&self) -> Option<(IpAddr, u16)> {
        let ip = self.0.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        });
        let port = self.0.iter().find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        });
        ip.zip(port)
    }

    /// Whether this is `other`, or `other` with the peer's name at its end.
    pub(crate) fn starts_with(&self, other: &Address) -> bool {
        self.0.iter().zip(other.0.iter()).all(|(mine, theirs)| mine == theirs)
            && self.0.iter().count() >= other.0.iter().count()
    }

    /// Whether another machine could use it as it stands.
    pub(crate) fn is_specific(&self) -> bool {
        self.0.iter().all(|part| match part {
            Protocol::Ip4(ip) => !ip.is_unspecified(),
            Protocol::Ip6(ip) => !ip.is_unspecified(),
            _ => true,
        })
    }
}

impl FromStr for Address {
    type Err = NodeError;

    fn from_str(text: &str) -> Result<Self, NodeError> {
        let usage =
            || NodeError::Usage(format!("{text} is no address; one looks like /ip4/192.168.1.7/tcp/4001"));
        let address: Multiaddr = text.parse().map_err(|_| usage())?;
        let is_tcp = address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        if is_tcp { Ok(Self(address)) } else { Err(usage()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

/// The name of a device on the network, as it stands at the end of its addresses.
pub fn peer_name(key: DeviceKey) -> Result<String, NodeError> {
    peer_id(key).map(|peer| peer.to_string())
}

/// The device behind a peer's name, as it stands at the end of its addresses.
pub(crate) fn key_of_peer(name: &str) -> Option<DeviceKey> {
    device_key(&name.parse().ok()?)
}

/// The network identity of a device.
pub(crate) fn peer_id(key: DeviceKey) -> Result<PeerId, NodeError> {
    let public = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes())
        .map_err(|_| NodeError::Bug("a device key that the network does not take"))?;
    Ok(identity::PublicKey::from(public).to_peer_id())
}

/// The device behind a network identity: `None` for every kind of key but ed25519, and for weak ones.
pub(crate) fn device_key(peer: &PeerId) -> Option<DeviceKey> {
    // An ed25519 identity is not hashed: it carries the key itself (multihash code 0).
    let hash = peer.as_ref();
    if hash.code() != 0 {
        return None;
    }
    let public = identity::PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    DeviceKey::new(public.try_into_ed25519().ok()?.to_bytes()).ok()
}

/// The network's form of a device's secret.
pub(crate) fn network_keypair(keypair: &Keypair) -> Result<identity::Keypair, NodeError> {
    // The library wipes what it reads.
    identity::Keypair::ed25519_from_bytes(keypair.secret())
        .map_err(|_| NodeError::Bug("a secret key that the network does not take"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_key_is_its_network_identity_and_back() {
        for seed in 1..20u8 {
            let keypair = Keypair::from_secret(&[seed; 32]);
            let network = network_keypair(&keypair).unwrap().public().to_peer_id();
            assert_eq!(peer_id(keypair.key()).unwrap(), network);
            assert_eq!(device_key(&network), Some(keypair.key()));
        }
    }

    #[test]
    fn other_kinds_of_identities_are_no_devices() {
        assert_eq!(device_key(&PeerId::random()), None);
        let long = identity::Keypair::generate_ed25519().public().to_peer_id();
        assert!(device_key(&long).is_some());
    }

    #[test]
    fn addresses_name_their_peer() {
        let key = Keypair::from_secret(&[5; 32]).key();
        let text = format!("/ip4/127.0.0.1/tcp/4001/p2p/{}", peer_name(key).unwrap());
        let address: Address = text.parse().unwrap();
        assert_eq!((address.peer(), address.to_string()), (Some(key), text));
        for wrong in ["", "127.0.0.1:4001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/4001"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}

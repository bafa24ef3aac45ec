//! What this node speaks: sync requests, gossip, blob streams, identify, ping; and how much of it.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, SwarmBuilder, gossipsub, identify, identity, noise, ping, tcp, yamux};

use super::frame::{FrameCodec, SYNC_PROTOCOL};
use super::gossip;
use crate::error::NodeError;

/// What identify says: the name of the family of protocols.
const PROTOCOL_FAMILY: &str = "/cairn/1";
/// From the first packet to a peer that has proven its key.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// From a request to the last byte of its answer: 16 MiB over a slow line.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A connection that nothing uses is closed after this.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// Requests and answers under way on one connection; each may hold one frame in memory. Room for
/// what both sides have under way at once, since libp2p fails what is over it.
const STREAMS_MAX: usize = 24;

/// Strangers in the middle of their handshake.
const PENDING_MAX: u32 = 256;
/// Peers at once; a team is smaller, and gossip reaches the rest.
const PEERS_MAX: u32 = 256;
/// Two sides that dial each other at once have two connections for a while.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// Everything that this node speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that a refused connection reaches none of the others.
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) sync: request_response::Behaviour<FrameCodec>,
    pub(crate) gossip: gossipsub::Behaviour,
    pub(crate) blobs: libp2p_stream::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
}

/// The swarm of a device; it listens nowhere yet.
pub(crate) fn build(keypair: identity::Keypair) -> Result<Swarm<Behaviour>, NodeError> {
    let failed = |why: &dyn std::fmt::Display| NodeError::Network(format!("cannot start: {why}"));
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| failed(&error))?
        .with_behaviour(|keypair| behaviour(keypair).map_err(Box::from))
        .map_err(|error| failed(&error))?;
    let builder = builder.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_MAX));
    Ok(builder.with_connection_timeout(HANDSHAKE_MAX).build())
}

fn behaviour(keypair: &identity::Keypair) -> Result<Behaviour, NodeError> {
    let identify = identify::Config::new(PROTOCOL_FAMILY.to_owned(), keypair.public())
        .with_agent_version(concat!("cairn/", env!("CARGO_PKG_VERSION")).to_owned());
    let sync = request_response::Config::default()
        .with_request_timeout(ANSWER_MAX)
        .with_max_concurrent_streams(STREAMS_MAX);
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits()),
        sync: request_response::Behaviour::with_codec(
            FrameCodec,
            [(SYNC_PROTOCOL, ProtocolSupport::Full)],
            sync,
        ),
        gossip: gossip::behaviour()?,
        blobs: libp2p_stream::Behaviour::new(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
    })
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
        .with_max_established(Some(PEERS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

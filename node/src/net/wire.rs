//! A running swarm, seen from the core: orders go in, reports come out, and what they said last is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_blobs::Pace;
use cairn_protocol::input::Input;
use cairn_protocol::key::DeviceKey;
use libp2p::identity;
use libp2p_stream::Control;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::streams::BLOB_PROTOCOL;
use super::{Address, behaviour, lend};
use crate::artifacts::Artifacts;
use crate::driver::{Driver, ORDERS_MAX, Order, REPORTS_MAX, Report};
use crate::error::NodeError;

/// What peers say of themselves is kept for so many of them.
const CLAIMS_COUNT_MAX: usize = 1024;

/// A running swarm. Dropping it ends the swarm.
pub(crate) struct Wire {
    orders: mpsc::Sender<Order>,
    reports: mpsc::Receiver<Report>,
    to_core: mpsc::Sender<Report>,
    /// Opens blob streams.
    pub(crate) control: Control,
    /// Who is connected.
    pub(crate) connected: BTreeSet<DeviceKey>,
    /// Addresses that were called with success, and who answered.
    pub(crate) reached: BTreeMap<Address, DeviceKey>,
    /// Where connected peers say that they can be reached.
    pub(crate) claims: BTreeMap<DeviceKey, Vec<Address>>,
    /// Addresses that were last called in vain, and why.
    pub(crate) unreachable: BTreeMap<Address, String>,
    /// Where this node can be reached.
    pub(crate) listening: Vec<Address>,
    /// Listeners that could not be opened, or closed.
    pub(crate) deaf: Vec<(Address, String)>,
}

impl Wire {
    /// Starts a swarm on a runtime.
    pub(crate) fn start(runtime: &Runtime, identity: identity::Keypair) -> Result<Self, NodeError> {
        let _inside = runtime.enter();
        let swarm = behaviour::build(identity)?;
        let control = swarm.behaviour().blobs.new_control();
        let (orders, from_core) = mpsc::channel(ORDERS_MAX);
        let (to_core, reports) = mpsc::channel(REPORTS_MAX);
        runtime.spawn(Driver::new(swarm, from_core, to_core.clone()).run());
        Ok(Self {
            orders,
            reports,
            to_core,
            control,
            connected: BTreeSet::new(),
            reached: BTreeMap::new(),
            claims: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            listening: Vec::new(),
            deaf: Vec::new(),
        })
    }

    /// Answers blob streams from now on, no faster than `pace`.
    pub(crate) fn lend(
        &mut self,
        runtime: &Runtime,
        artifacts: Artifacts,
        pace: Pace,
    ) -> Result<(), NodeError> {
        let incoming = self.control.accept(BLOB_PROTOCOL);
        let incoming = incoming.map_err(|_| NodeError::Bug("artifacts are lent twice"))?;
        runtime.spawn(lend::lend(incoming, artifacts, self.to_core.clone(), pace));
        Ok(())
    }

    /// Hands an order to the driver, which always takes it soon.
    pub(crate) fn order(&self, order: Order) -> Result<(), NodeError> {
        self.orders.blocking_send(order).map_err(|_| NodeError::Bug("the network driver ended"))
    }

    /// The next report, if one comes within `wait`.
    pub(crate) async fn next(&mut self, wait: Duration) -> Option<Report> {
        tokio::time::timeout(wait, self.reports.recv()).await.ok().flatten()
    }

    /// Remembers what a report says about the wire itself; says whether that was known.
    pub(crate) fn note(&mut self, report: &Report) -> bool {
        match report {
            Report::Input(Input::PeerConnected { peer }) => {
                self.connected.insert(*peer);
            }
            Report::Input(Input::PeerDisconnected { peer }) => {
                self.connected.remove(peer);
                self.claims.remove(peer);
            }
            Report::Reached { peer, address } => {
                self.unreachable.remove(address);
                self.reached.insert(address.clone(), *peer);
            }
            Report::Unreachable { address, reason } => {
                return self.unreachable.insert(address.clone(), reason.clone()).is_some();
            }
            Report::Listening(address) => self.listening.push(address.clone()),
            Report::NotListening { address, reason } => {
                self.listening.retain(|known| known != address);
                self.deaf.push((address.clone(), reason.clone()));
            }
            Report::Claims { peer, addresses } if self.claims.len() < CLAIMS_COUNT_MAX => {
                self.claims.insert(*peer, addresses.clone());
            }
            _ => {}
        }
        false
    }
}

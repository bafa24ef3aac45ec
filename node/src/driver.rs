//! The driver: the swarm on one side, two bounded channels to the core on the other.
//!
//! What happens on the wire becomes a [`Report`]; an [`Order`] becomes something on the wire. Nothing
//! is decided here: whom to believe, what to answer and what to fetch is the core's business.
//!
//! The driver never waits for the core: while reports pile up it stops reading from the wire (so
//! that the pressure reaches the peers), but it goes on obeying orders. So the two cannot block each
//! other, whatever a peer sends.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use cairn_crdt::id::RepoId;
use cairn_protocol::effect::{Effect, Verdict};
use cairn_protocol::hash::RepoTag;
use cairn_protocol::input::{GossipId, Input, ReplyId, RequestId, Unanswered};
use cairn_protocol::key::DeviceKey;
use futures::StreamExt;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::request_response::{
    self, InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify};
use tokio::sync::{mpsc, oneshot};

use crate::net::obstacle::reason;
use crate::net::{Address, Behaviour, BehaviourEvent, DialBook, device_key, peer_id, topic_hash, topic_of};

/// Reports in the channel.
pub(crate) const REPORTS_MAX: usize = 8;
/// Orders in the channel; an answer in one of them may be as large as a frame.
pub(crate) const ORDERS_MAX: usize = 16;
/// Bytes of messages that wait for the core before the wire is no longer read.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Small reports that wait.
const WAITING_COUNT_MAX: usize = 1024;
/// Gossip that waits for its verdict; beyond this it is dropped unheard.
const JUDGED_MAX: usize = 1024;
/// Requests under way to one peer; more wait their turn. libp2p does not queue what is over its own
/// limit of streams, it fails it.
const ASKED_PER_PEER_MAX: usize = 8;
/// Addresses that are taken from what a peer says of itself.
const CLAIMS_MAX: usize = 4;

/// What the core wants of the wire.
#[derive(Debug)]
pub(crate) enum Order {
    /// Perform one effect of the service.
    Perform(Effect),
    /// Listen here.
    Listen(Address),
    /// Call these, and again when they are lost.
    Call(Vec<Address>),
}

/// What the wire tells the core.
#[expect(clippy::large_enum_variant, reason = "each is taken in at once")]
#[derive(Debug)]
pub(crate) enum Report {
    /// Something for the service.
    Input(Input),
    /// This node can be reached here.
    Listening(Address),
    /// This node cannot listen there.
    NotListening {
        /// Where.
        address: Address,
        /// Why not.
        reason: String,
    },
    /// A call came through.
    Reached {
        /// Who answered.
        peer: DeviceKey,
        /// Where.
        address: Address,
    },
    /// A call did not come through; it is tried again.
    Unreachable {
        /// Where.
        address: Address,
        /// Why not.
        reason: String,
    },
    /// Where a connected peer says that it can be reached.
    Claims {
        /// The peer.
        peer: DeviceKey,
        /// Where.
        addresses: Vec<Address>,
    },
    /// A peer wants an artifact of a repo; the answer is the repo, if it may read there.
    MayRead {
        /// The peer.
        peer: DeviceKey,
        /// The repo, as the peer named it.
        tag: RepoTag,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<RepoId>>,
    },
}

impl Report {
    fn bytes(&self) -> usize {
        match self {
            Self::Input(Input::Request { bytes, .. } | Input::Gossip { bytes, .. }) => bytes.len(),
            Self::Input(Input::Response { result: Ok(bytes), .. }) => bytes.len(),
            _ => 0,
        }
    }
}

/// A request of a peer that has no answer yet.
struct Reply {
    inbound: InboundRequestId,
    channel: ResponseChannel<Vec<u8>>,
}

/// What one peer is asked.
#[derive(Default)]
struct Asking {
    under_way: usize,
    turn: VecDeque<(RequestId, Vec<u8>)>,
}

/// The swarm and what is under way on it.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<Report>,
    waiting: VecDeque<Report>,
    waiting_bytes: usize,
    book: DialBook,
    calls: HashMap<ConnectionId, Address>,
    asking: BTreeMap<PeerId, Asking>,
    asked: BTreeMap<OutboundRequestId, RequestId>,
    replies: BTreeMap<ReplyId, Reply>,
    next_reply: u64,
    judged: BTreeMap<GossipId, PeerId>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        orders: mpsc::Receiver<Order>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            swarm,
            orders,
            reports,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            book: DialBook::default(),
            calls: HashMap::new(),
            asking: BTreeMap::new(),
            asked: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_reply: 0,
            judged: BTreeMap::new(),
        }
    }

    /// Drives until the core lets go of its ends of the channels.
    pub(crate) async fn run(mut self) {
        loop {
            let call = tokio::time::sleep_until(self.next_call());
            let room = self.has_room();
            let report = self.reports.clone().reserve_owned();
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                place = report, if !self.waiting.is_empty() => match place {
                    Ok(place) => self.hand_over(place),
                    Err(_) => return,
                },
                event = self.swarm.select_next_some(), if room => self.happened(event),
                () = call => self.call(),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting_bytes < WAITING_BYTES_MAX && self.waiting.len() < WAITING_COUNT_MAX
    }

    fn report(&mut self, report: Report) {
        self.waiting_bytes += report.bytes();
        self.waiting.push_back(report);
    }

    fn hand_over(&mut self, place: mpsc::OwnedPermit<Report>) {
        if let Some(report) = self.waiting.pop_front() {
            self.waiting_bytes -= report.bytes();
            place.send(report);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Perform(effect) => self.perform(effect),
            Order::Listen(address) => self.listen(address),
            Order::Call(addresses) => {
                let now = Instant::now();
                for address in addresses {
                    let connected = address.peer_id().is_some_and(|peer| self.swarm.is_connected(&peer));
                    self.book.want(address.clone(), now);
                    if connected {
                        self.book.connected(|known| *known == address);
                    }
                }
                self.call();
            }
        }
    }

    fn listen(&mut self, address: Address) {
        if let Err(error) = self.swarm.listen_on(address.multiaddr().clone()) {
            self.report(Report::NotListening { address, reason: error.to_string() });
        }
    }
}

/// Calls.
impl Driver {
    fn next_call(&self) -> tokio::time::Instant {
        let far = || Instant::now() + std::time::Duration::from_secs(3600);
        self.book.next().unwrap_or_else(far).into()
    }

    fn call(&mut self) {
        for address in self.book.due(Instant::now()) {
            if address.peer_id() == Some(*self.swarm.local_peer_id()) {
                self.book.forget(|known| *known == address);
                continue;
            }
            let options = dial_options(&address);
            self.calls.insert(options.connection_id(), address.clone());
            let connection = options.connection_id();
            if let Err(error) = self.swarm.dial(options) {
                self.call_failed(connection, &error);
            }
        }
    }

    fn call_failed(&mut self, connection: ConnectionId, error: &DialError) {
        let Some(address) = self.calls.remove(&connection) else { return };
        tracing::debug!(%address, %error, "a call did not come through");
        match error {
            DialError::LocalPeerId { .. } => return self.book.forget(|known| *known == address),
            // The peer is connected by another way already.
            DialError::DialPeerConditionFalse(_) => return self.book.connected(|known| *known == address),
            _ => {}
        }
        self.book.lost(|known| *known == address, Instant::now(), chance());
        self.report(Report::Unreachable { address, reason: reason(error) });
    }

    /// A connection came about, by a call of ours where `called` says which.
    fn connected(&mut self, peer: PeerId, connection: ConnectionId, place: Option<Multiaddr>, first: bool) {
        let called = self.calls.remove(&connection);
        let Some(key) = device_key(&peer) else {
            tracing::debug!(%peer, "not a device key; letting go");
            self.book.forget(|known| Some(known) == called.as_ref());
            self.swarm.disconnect_peer_id(peer).ok();
            return;
        };
        self.book.connected(|known| known.peer_id() == Some(peer) || Some(known) == called.as_ref());
        if let Some(place) = place {
            let address = Address::of_peer(place, peer);
            self.report(Report::Reached { peer: key, address });
        }
        if first {
            self.report(Report::Input(Input::PeerConnected { peer: key }));
        }
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.book.lost(|known| known.peer_id() == Some(peer), Instant::now(), chance());
        if let Some(peer) = device_key(&peer) {
            self.report(Report::Input(Input::PeerDisconnected { peer }));
        }
    }
}

/// Effects: from the core to the wire.
impl Driver {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Request { peer, request, bytes } => self.ask(peer, request, bytes),
            Effect::Respond { reply, bytes } => self.answer(reply, bytes),
            Effect::Subscribe { topic } => {
                if let Err(error) = self.swarm.behaviour_mut().gossip.subscribe(&topic_hash(&topic)) {
                    tracing::warn!(%error, "cannot take part in gossip");
                }
            }
            Effect::Publish { topic, bytes } => {
                let published = self.swarm.behaviour_mut().gossip.publish(topic_hash(&topic), bytes);
                // Nobody listening is the usual state of a node alone; the next meeting reconciles.
                if let Err(error) = published {
                    tracing::debug!(%error, "an announcement was not sent");
                }
            }
            Effect::Judge { message, verdict } => self.judge(&message, verdict),
            Effect::Disconnect { peer } => self.disconnect(peer),
            Effect::Penalise { peer, reason } => tracing::info!(%peer, %reason, "a peer misbehaved"),
            other => tracing::error!(?other, "an effect that is not for the wire"),
        }
    }

    fn ask(&mut self, peer: DeviceKey, request: RequestId, bytes: Vec<u8>) {
        let Ok(peer) = peer_id(peer) else { return };
        self.asking.entry(peer).or_default().turn.push_back((request, bytes));
        self.ask_more(peer);
    }

    /// Sends what waits for a peer, as far as there is room.
    fn ask_more(&mut self, peer: PeerId) {
        let Some(asking) = self.asking.get_mut(&peer) else { return };
        while asking.under_way < ASKED_PER_PEER_MAX {
            let Some((request, bytes)) = asking.turn.pop_front() else { break };
            let outbound = self.swarm.behaviour_mut().sync.send_request(&peer, bytes);
            self.asked.insert(outbound, request);
            asking.under_way += 1;
        }
        if asking.under_way == 0 {
            self.asking.remove(&peer);
        }
    }

    fn answer(&mut self, reply: ReplyId, bytes: Vec<u8>) {
        if let Some(Reply { channel, .. }) = self.replies.remove(&reply) {
            // An error means that the peer hung up meanwhile.
            self.swarm.behaviour_mut().sync.send_response(channel, bytes).ok();
        }
    }

    fn judge(&mut self, message: &GossipId, verdict: Verdict) {
        let Some(source) = self.judged.remove(message) else { return };
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        let id = MessageId::new(&message.0);
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
    }

    fn disconnect(&mut self, peer: DeviceKey) {
        let Ok(peer) = peer_id(peer) else { return };
        self.book.forget(|known| known.peer_id() == Some(peer));
        self.swarm.disconnect_peer_id(peer).ok();
    }
}

/// Events: from the wire to the core.
impl Driver {
    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.spoken(event),
            SwarmEvent::ConnectionEstablished {
                peer_id, connection_id, endpoint, num_established, ..
            } => {
                let place = endpoint.is_dialer().then(|| endpoint.get_remote_address().clone());
                self.connected(peer_id, connection_id, place, num_established.get() == 1);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.disconnected(peer_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.call_failed(connection_id, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = Address::of_peer(address, *self.swarm.local_peer_id());
                self.report(Report::Listening(address));
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                let reason = reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                for address in addresses {
                    let address = Address::of_place(address);
                    self.report(Report::NotListening { address, reason: reason.clone() });
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "somebody knocked and was no peer");
            }
            _ => {}
        }
    }

    fn spoken(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Sync(event) => self.synced(event),
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.gossiped(propagation_source, message_id, message);
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.introduced(peer_id, info.listen_addrs);
            }
            _ => {}
        }
    }

    fn synced(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        use request_response::Event::{InboundFailure, Message as Came, OutboundFailure, ResponseSent};
        match event {
            Came { peer, message: Message::Request { request_id, request, channel }, .. } => {
                self.requested(peer, request_id, request, channel);
            }
            Came { peer, message: Message::Response { request_id, response }, .. } => {
                self.answered(peer, request_id, Ok(response));
            }
            OutboundFailure { peer, request_id, error, .. } => {
                self.answered(peer, request_id, Err(unanswered(&error)));
            }
            InboundFailure { request_id, .. } => self.replies.retain(|_, reply| reply.inbound != request_id),
            ResponseSent { .. } => {}
        }
    }

    fn requested(
        &mut self,
        peer: PeerId,
        inbound: InboundRequestId,
        bytes: Vec<u8>,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        let Some(peer) = device_key(&peer) else { return };
        let reply = ReplyId(self.next_reply);
        self.next_reply += 1;
        self.replies.insert(reply, Reply { inbound, channel });
        self.report(Report::Input(Input::Request { peer, reply, bytes }));
    }

    fn answered(&mut self, peer: PeerId, outbound: OutboundRequestId, result: Result<Vec<u8>, Unanswered>) {
        if let Some(asking) = self.asking.get_mut(&peer) {
            asking.under_way = asking.under_way.saturating_sub(1);
            self.ask_more(peer);
        }
        let (Some(peer), Some(request)) = (device_key(&peer), self.asked.remove(&outbound)) else { return };
        self.report(Report::Input(Input::Response { peer, request, result }));
    }

    fn gossiped(&mut self, source: PeerId, id: MessageId, message: gossipsub::Message) {
        let message_id = GossipId(id.0.clone());
        let heard = (device_key(&source), topic_of(&message.topic));
        let (Some(peer), Some(topic), true) = (heard.0, heard.1, self.judged.len() < JUDGED_MAX) else {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&id, &source, MessageAcceptance::Ignore);
            return;
        };
        self.judged.insert(message_id.clone(), source);
        self.report(Report::Input(Input::Gossip { peer, message: message_id, topic, bytes: message.data }));
    }

    fn introduced(&mut self, peer: PeerId, places: Vec<Multiaddr>) {
        let Some(key) = device_key(&peer) else { return };
        let addresses = places.into_iter().map(|place| Address::of_peer(place, peer));
        let ours = |address: &Address| address.peer_id() == Some(peer) && address.is_specific();
        let addresses: Vec<_> = addresses.filter(ours).take(CLAIMS_MAX).collect();
        self.report(Report::Claims { peer: key, addresses });
    }
}

/// One call to one address: with several in one call, a failure would not say which.
fn dial_options(address: &Address) -> DialOpts {
    match address.peer_id() {
        Some(peer) => DialOpts::peer_id(peer)
            .addresses(vec![address.multiaddr().clone()])
            .condition(PeerCondition::Disconnected)
            .build(),
        None => DialOpts::unknown_peer_id().address(address.multiaddr().clone()).build(),
    }
}

fn unanswered(error: &OutboundFailure) -> Unanswered {
    match error {
        OutboundFailure::Timeout => Unanswered::Timeout,
        OutboundFailure::UnsupportedProtocols => Unanswered::Unsupported,
        _ => Unanswered::Disconnected,
    }
}

/// Chance for the spread of calls; a fixed number if the system has none to give.
fn chance() -> u32 {
    crate::entropy::random::<4>().map_or(u32::MAX / 2, u32::from_le_bytes)
}

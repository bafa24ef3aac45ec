//! What may be set about the service. Plain numbers; nothing here reads anything.

/// Settings of a [`crate::service::Service`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long one request may go unanswered, in milliseconds.
    pub request_timeout_ms: u64,
    /// How often two connected peers compare their tops again, in milliseconds. Gossip makes
    /// this seldom necessary; it is what heals what gossip lost.
    pub compare_interval_ms: u64,
    /// The shortest wait before a failed conversation is tried again, in milliseconds.
    pub retry_min_ms: u64,
    /// The longest such wait, in milliseconds.
    pub retry_max_ms: u64,
    /// The most requests under way to one peer.
    pub requests_inflight_max: usize,
    /// How often a push that was refused for want of a grant is tried again.
    pub push_retries_max: u32,
    /// The most bytes of waypoints to ask for at once.
    pub segment_bytes_max: u64,
    /// The most bytes of waypoints that travel inside an announcement.
    pub inline_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_timeout_ms: 20_000,
            compare_interval_ms: 30_000,
            retry_min_ms: 500,
            retry_max_ms: 30_000,
            requests_inflight_max: 4,
            push_retries_max: 8,
            segment_bytes_max: 4 << 20,
            inline_bytes_max: 32 << 10,
        }
    }
}

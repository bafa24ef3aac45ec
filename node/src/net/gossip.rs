//! Gossip: settings, and the two names of a topic.
//!
//! Announcements carry their author's signature inside and are judged by the core before they are
//! passed on, so the transport adds no signature of its own: a neighbour learns who passed a message
//! on, and from the message who wrote it. A message's name is the hash of its topic and bytes, so the
//! same announcement from two sides is one.

use std::time::Duration;

use cairn_protocol::hash::Topic;
use cairn_protocol::limits::ANNOUNCE_BYTES_MAX;
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, Message, MessageAuthenticity, MessageId, TopicHash, ValidationMode,
};

use crate::error::NodeError;

/// The default of 64 KiB would silently drop an announcement with inline bodies and proofs.
const TRANSMIT_BYTES_MAX: usize = 256 << 10;
const _: () = assert!(ANNOUNCE_BYTES_MAX * 2 <= TRANSMIT_BYTES_MAX);

/// How long an announcement may wait for its verdict: the core may be busy with an import.
const REMEMBERED: Duration = Duration::from_secs(120);

/// The gossip behaviour.
pub(crate) fn behaviour() -> Result<gossipsub::Behaviour, NodeError> {
    let mut config = ConfigBuilder::default();
    config
        // Off by default, and then everything is forwarded before anybody has looked at it.
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(message_id)
        .max_transmit_size(TRANSMIT_BYTES_MAX)
        // With two or three nodes there is no mesh to speak of: send to everybody who listens.
        .flood_publish(true)
        .duplicate_cache_time(REMEMBERED);
    let config = config.build().map_err(|_| NodeError::Bug("settings that gossip refuses"))?;
    gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)
        .map_err(|_| NodeError::Bug("settings that gossip refuses"))
}

fn message_id(message: &Message) -> MessageId {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 gossip message");
    hasher.update(&(message.topic.as_str().len() as u64).to_le_bytes());
    hasher.update(message.topic.as_str().as_bytes());
    hasher.update(&message.data);
    MessageId::new(hasher.finalize().as_bytes())
}

/// What the core calls a topic, as gossip calls it.
pub(crate) fn topic_hash(topic: &Topic) -> IdentTopic {
    IdentTopic::new(topic.to_string())
}

/// What gossip calls a topic, as the core calls it; `None` for a topic that is none of ours.
pub(crate) fn topic_of(topic: &TopicHash) -> Option<Topic> {
    Topic::from_hex(topic.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_round_trip_and_settings_hold() {
        let topic = Topic([9; 32]);
        assert_eq!(topic_of(&topic_hash(&topic).hash()), Some(topic));
        assert!(behaviour().is_ok());
    }

    #[test]
    fn a_message_is_named_by_topic_and_bytes() {
        let message = |topic: u8, data: &[u8]| Message {
            source: None,
            data: data.to_vec(),
            sequence_number: None,
            topic: topic_hash(&Topic([topic; 32])).hash(),
        };
        assert_eq!(message_id(&message(1, b"a")), message_id(&message(1, b"a")));
        assert_ne!(message_id(&message(1, b"a")), message_id(&message(2, b"a")));
        assert_ne!(message_id(&message(1, b"a")), message_id(&message(1, b"b")));
    }
}

//! Why a call did not come through, in words by which one can do something about it.

use std::error::Error;
use std::io::{self, ErrorKind};

use libp2p::TransportError;
use libp2p::swarm::DialError;

/// The reason, for people.
pub(crate) fn reason(error: &DialError) -> String {
    match error {
        DialError::Transport(tries) => match tries.first() {
            Some((_, error)) => of_transport(error),
            None => error.to_string(),
        },
        DialError::WrongPeerId { obtained, .. } => format!("another peer answers there: {obtained}"),
        DialError::NoAddresses => "no address is known".to_owned(),
        other => other.to_string(),
    }
}

fn of_transport(error: &TransportError<io::Error>) -> String {
    let error = match error {
        TransportError::MultiaddrNotSupported(_) => {
            return "cairn does not use addresses of that kind".to_owned();
        }
        TransportError::Other(error) => error,
    };
    match kind(error) {
        ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "unreachable: no way leads to that address from here".to_owned()
        }
        ErrorKind::TimedOut => {
            "no answer: it is off, a firewall is between, or what listens there is not cairn".to_owned()
        }
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
            format!("protocol mismatch: something listens there that ends the talk ({error})")
        }
        _ if is_foreign(error) => {
            "protocol mismatch: what listens there does not speak cairn's protocol".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The kind that the system gave. Libraries wrap its errors several times, and some hide them from whoever asks for
/// the cause; but all repeat its words, which end in its number.
fn kind(error: &io::Error) -> ErrorKind {
    let words = error.to_string();
    let number = words.rsplit_once("(os error ").and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
    if let Some(number) = number {
        return io::Error::from_raw_os_error(number).kind();
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let ours = error.downcast_ref::<io::Error>();
        if let Some(found) = ours.filter(|error| error.kind() != ErrorKind::Other) {
            return found.kind();
        }
        // What an `io::Error` holds is not among its sources, but what those have is.
        next = match ours.and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    ErrorKind::Other
}

/// Whether the other side failed to agree on what to speak, as far as the words tell.
fn is_foreign(error: &io::Error) -> bool {
    let words = error.to_string().to_lowercase();
    ["negotiat", "multistream", "handshake", "protocol"].iter().any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_word_is_found_below_what_libraries_put_around_it() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert!(of_transport(&TransportError::Other(wrapped)).starts_with("connection refused"));
        let late = io::Error::other(io::Error::from(ErrorKind::TimedOut));
        assert!(of_transport(&TransportError::Other(late)).starts_with("no answer"));
        let hidden = io::Error::other("a transport failed: Connection refused (os error 111)");
        assert!(of_transport(&TransportError::Other(hidden)).starts_with("connection refused"));
        let odd = io::Error::other("Failed to negotiate transport protocol(s)");
        assert!(of_transport(&TransportError::Other(odd)).starts_with("protocol mismatch"));
    }
}

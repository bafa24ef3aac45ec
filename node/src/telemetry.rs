//! What cairn says about itself: a tracing subscriber on stderr, set up once.

use tracing_subscriber::EnvFilter;

/// Starts to write events to stderr: those that `CAIRN_LOG` asks for, else warnings.
///
/// Stdout belongs to answers, so nothing is ever written there.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env("CAIRN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, as in tests, leaves the first subscriber in place.
    let _ = if json { subscriber.json().try_init() } else { subscriber.try_init() };
}

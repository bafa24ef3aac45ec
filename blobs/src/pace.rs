//! How fast bytes may go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may go at once after a pause.
const BURST: Duration = Duration::from_millis(50);

/// A limit on bytes per second, shared by all that go through it. Clones are one limit.
#[derive(Clone, Debug, Default)]
pub struct Pace(Option<Arc<Bucket>>);

#[derive(Debug)]
struct Bucket {
    bytes_per_s: f64,
    /// When what was let through so far would have gone at this pace.
    free_at: Mutex<Instant>,
}

impl Pace {
    /// No limit.
    pub fn free() -> Self {
        Self(None)
    }

    /// So many bytes a second; none for zero.
    pub fn of(bytes_per_s: u64) -> Self {
        let bucket = || Bucket { bytes_per_s: bytes_per_s as f64, free_at: Mutex::new(Instant::now()) };
        Self((bytes_per_s > 0).then(|| Arc::new(bucket())))
    }

    /// Returns when so many bytes may go.
    pub async fn take(&self, bytes: u64) {
        let Some(bucket) = &self.0 else { return };
        tokio::time::sleep_until(bucket.book(bytes)).await;
    }
}

impl Bucket {
    /// When bytes that come now may go.
    fn book(&self, bytes: u64) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = Instant::now().checked_sub(BURST).unwrap_or(*free_at);
        let at = (*free_at).max(earliest);
        *free_at = at + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s);
        *free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clones_share_one_limit() {
        let pace = Pace::of(1_000_000);
        let begun = Instant::now();
        let other = pace.clone();
        tokio::join!(async { pace.take(2_000_000).await }, async { other.take(1_000_000).await });
        let took = begun.elapsed().as_secs_f64();
        assert!((2.9..3.1).contains(&took), "{took}");
        Pace::free().take(u64::MAX).await;
        Pace::of(0).take(u64::MAX).await;
    }
}

//! What verbs wait for: exchanges with peers. Each wait goes on feeding the core.

use std::time::Instant;

use cairn_crdt::id::RepoId;
use cairn_protocol::input::{Input, Wanted};

use super::Address;
use super::exchange::{Exchange, Exchanged};
use super::session::{Core, LOOK, News, Session};
use crate::error::{NodeError, Range};

/// Exchanges with peers.
impl Session {
    /// Exchanges with `peers`, or with those remembered for the repo, until nobody lacks anything.
    pub(crate) fn sync(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        peers: &[String],
    ) -> Result<Exchanged, NodeError> {
        let named = addresses(peers)?;
        let before = core.waypoints(repo);
        let remembered = if named.is_empty() { self.book.addresses(Some(repo)) } else { Vec::new() };
        let exchange = Exchange::sync(repo, named, remembered, Instant::now());
        let mut exchanged = self.exchange(core, exchange)?;
        exchanged.received = core.waypoints(repo).saturating_sub(before);
        Ok(exchanged)
    }

    /// Gets a repo that is not here from the first of `peers` that shows it.
    pub(crate) fn join(
        &mut self,
        core: &mut dyn Core,
        wanted: Wanted,
        peers: &[String],
    ) -> Result<Exchanged, NodeError> {
        let repo = wanted.repo;
        let exchange = Exchange::join(wanted, addresses(peers)?, Instant::now());
        let mut exchanged = self.exchange(core, exchange)?;
        exchanged.received = core.waypoints(repo);
        Ok(exchanged)
    }

    /// Asks every peer of the repo that can be reached for bodies that have faded here, until they are back or nobody is
    /// left to ask. What came is durable.
    pub(crate) fn recall(
        &mut self,
        core: &mut dyn Core,
        repo: RepoId,
        ranges: &[Range],
    ) -> Result<(), NodeError> {
        for range in ranges {
            let Range { project, feed, first, count } = *range;
            let from = first.saturating_sub(1);
            core.input(Input::Recall { repo, project, feed, from, to: from + count })?;
        }
        // Peers are asked as soon as they have told what they hold.
        let reached = self.sync(core, repo, &[]);
        let waited = self.wait_for_recall(core, repo);
        core.end_recall(repo);
        waited.and(reached).map(|_| ())
    }

    fn wait_for_recall(&mut self, core: &mut dyn Core, repo: RepoId) -> Result<(), NodeError> {
        while core.is_recalling(repo) {
            self.check_stop()?;
            self.step(core, LOOK)?;
        }
        Ok(())
    }

    fn exchange(&mut self, core: &mut dyn Core, mut exchange: Exchange) -> Result<Exchanged, NodeError> {
        self.call(exchange.addresses())?;
        let mut seen = self.heard;
        loop {
            self.check_stop()?;
            let now = Instant::now();
            if let Some(outcome) = exchange.outcome(self.wire()?, now) {
                return outcome;
            }
            for input in exchange.ask(self.wire()?, now) {
                core.input(input)?;
            }
            self.step(core, LOOK)?;
            for news in self.news_after(seen) {
                if let News::Event(event) = news {
                    exchange.hear(event, Instant::now());
                }
            }
            seen = self.heard;
        }
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, NodeError> {
    texts.iter().map(|text| text.parse()).collect()
}

//! The network as verbs see it.

use std::path::Path;

use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_protocol::effect::Effect;
use cairn_protocol::hash::RepoTag;
use cairn_protocol::input::{Input, Wanted};
use cairn_protocol::key::DeviceKey;
use cairn_protocol::manifest::{Chunk, Manifest};

use super::session::{Core, Session};
use super::{Exchanged, Haul, Moved, peer_name};
use crate::artifacts::{Checked, Hashes, More};
use crate::clock;
use crate::error::{NodeError, Range};
use crate::owner::Owner;
use crate::progress::Load;
use crate::verbs::artifact::gc::{self, Collected};
use crate::verbs::du::Weight;
use crate::verbs::peers::{Apart, Peer};
use crate::verbs::{Holder, Imported, Network, Synced};

impl Core for Owner {
    fn input(&mut self, input: Input) -> Result<(), NodeError> {
        self.hear(input);
        Ok(())
    }

    fn store(&mut self) -> bool {
        self.store_due()
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        Owner::take_effects(self)
    }

    fn next_wake(&self) -> Option<u64> {
        Owner::next_wake(self)
    }

    fn readable(&self, peer: DeviceKey, tag: RepoTag) -> Option<RepoId> {
        self.service().readable(peer, tag, None, clock::now_ms())
    }

    fn is_recalling(&self, repo: RepoId) -> bool {
        self.service().is_recalling(repo)
    }

    fn end_recall(&mut self, repo: RepoId) {
        Owner::end_recall(self, repo);
    }

    fn waypoints(&self, repo: RepoId) -> u64 {
        let Ok(replica) = self.replica(repo) else { return 0 };
        let projects = replica.projects().map(|(project, _)| project);
        projects.flat_map(|project| replica.feeds(project)).map(|feed| feed.n).sum()
    }
}

impl Network for Session {
    fn sync(&mut self, owner: &mut Owner, repo: RepoId, peers: &[String]) -> Result<Synced, NodeError> {
        let exchanged = Session::sync(self, owner, repo, peers)?;
        Ok(self.synced(&exchanged))
    }

    fn join(&mut self, owner: &mut Owner, wanted: Wanted, peers: &[String]) -> Result<Synced, NodeError> {
        let exchanged = Session::join(self, owner, wanted, peers)?;
        Ok(self.synced(&exchanged))
    }

    fn recall(&mut self, owner: &mut Owner, repo: RepoId, ranges: &[Range]) -> Result<(), NodeError> {
        Session::recall(self, owner, repo, ranges)
    }

    fn holders(&self, repo: RepoId) -> Vec<Holder> {
        let connected = self.connected();
        let shared = self.remembered().sharing(repo);
        shared
            .map(|(key, seen_ms)| {
                let (is_connected, peer) = (connected.contains(&key), peer_name(key).unwrap_or_default());
                let seen_ms = if is_connected { clock::now_ms() } else { seen_ms };
                Holder { peer, key: key.to_string(), seen_ms, connected: is_connected, claims: false }
            })
            .collect()
    }

    fn fetch_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<(), NodeError> {
        Session::fetch_artifact(self, owner, repo, artifact, &Haul::default()).map(drop)
    }

    fn haul_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        haul: &Haul,
    ) -> Result<Moved, NodeError> {
        Session::fetch_artifact(self, owner, repo, artifact, haul)
    }

    fn size_up(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifacts: &[ArtifactId],
    ) -> Result<Vec<Option<u64>>, NodeError> {
        Session::size_up(self, owner, repo, artifacts)
    }

    fn check_quota(&mut self, repo: RepoId, artifacts: &[ArtifactId]) -> Result<(), NodeError> {
        self.artifacts()?.check_room(repo, artifacts)
    }

    fn quota(&mut self, set: Option<Option<u64>>) -> Result<(u64, Option<u64>), NodeError> {
        let blobs = self.artifacts()?.blobs();
        if let Some(bytes_max) = set {
            blobs.limit(bytes_max);
        }
        Ok(blobs.quota())
    }

    fn announce(&mut self, load: &Load) {
        if let Some(teller) = &self.teller {
            teller(load);
        }
    }

    fn sweep_artifacts(&mut self, owner: &mut Owner, dry_run: bool) -> Result<Collected, NodeError> {
        self.artifacts()?.sweep(dry_run, || gc::needed(owner))
    }

    fn weigh_artifacts(&mut self, _: &mut Owner, repo: RepoId) -> Result<(Vec<Weight>, u64), NodeError> {
        self.artifacts()?.weigh(repo)
    }

    fn disown_damage(&mut self, _: &mut Owner, checked: &Checked) -> Result<(), NodeError> {
        Session::disown_damage(self, checked)
    }

    fn import_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        file: &Path,
        name: &str,
    ) -> Result<Imported, NodeError> {
        let added = Session::import_artifact(self, repo, file, name)?;
        Ok(Imported { artifact: added.artifact, bytes: added.bytes, stored_bytes: added.stored_bytes })
    }

    fn append_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        base: Option<ArtifactId>,
        more: &More,
        name: &str,
    ) -> Result<Imported, NodeError> {
        let added = self.artifacts()?.append(repo, base, more, name)?;
        Ok(Imported { artifact: added.artifact, bytes: added.bytes, stored_bytes: added.stored_bytes })
    }

    fn export_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        out: &Path,
    ) -> Result<u64, NodeError> {
        Session::export_artifact(self, repo, artifact, out)
    }

    fn holds_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<bool, NodeError> {
        Session::holds_artifact(self, repo, artifact)
    }

    fn verify_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        sound: &mut Hashes,
    ) -> Result<Checked, NodeError> {
        Session::verify_artifact(self, repo, artifact, sound)
    }

    fn whole_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<Option<Manifest>, NodeError> {
        Session::whole_artifact(self, repo, artifact)
    }

    fn read_chunk(&mut self, _: &mut Owner, chunk: &Chunk) -> Result<Vec<u8>, NodeError> {
        Session::read_chunk(self, chunk)
    }

    fn keep_artifact(
        &mut self,
        _: &mut Owner,
        repo: RepoId,
        manifest: &Manifest,
    ) -> Result<Vec<ContentHash>, NodeError> {
        Session::keep_artifact(self, repo, manifest)
    }

    fn keep_chunk(&mut self, _: &mut Owner, bytes: Vec<u8>) -> Result<(), NodeError> {
        Session::keep_chunk(self, bytes)
    }

    fn addresses(&self) -> Vec<String> {
        self.listening().iter().map(ToString::to_string).collect()
    }

    fn peers(&self) -> Vec<Peer> {
        let connected = self.connected();
        let mut keys: Vec<DeviceKey> = self.remembered().iter().map(|(key, _)| key).collect();
        keys.extend(connected.iter().filter(|key| !keys.contains(key)).copied().collect::<Vec<_>>());
        keys.into_iter().map(|key| self.peer(key, connected.contains(&key))).collect()
    }
}

impl Session {
    fn synced(&self, exchanged: &Exchanged) -> Synced {
        let address = |key: &DeviceKey| {
            let known = self.remembered().iter().find(|(known, _)| known == key);
            known.and_then(|(_, addresses)| addresses.first().cloned())
        };
        let peers = exchanged.peers.iter().filter_map(address).collect();
        Synced { received: exchanged.received, peers, ..Synced::default() }
    }

    fn peer(&self, key: DeviceKey, connected: bool) -> Peer {
        let book = self.remembered();
        let addresses = book.iter().find(|(known, _)| *known == key).map(|(_, addresses)| addresses.to_vec());
        let (seen_ms, failed) = book.last(key);
        let apart = self.apart.iter().filter(|((peer, _), _)| *peer == key);
        Peer {
            peer: peer_name(key).unwrap_or_default(),
            key: key.to_string(),
            name: None,
            addresses: addresses.unwrap_or_default(),
            connected,
            seen_ms: if connected { Some(clock::now_ms()) } else { seen_ms },
            failed: failed.filter(|_| !connected).cloned(),
            apart: apart
                .map(|((_, repo), reason)| Apart { repo: repo.to_string(), reason: reason.clone() })
                .collect(),
        }
    }
}

//! The names of records that only this crate makes: 32-byte hashes, each a type of its own.

cairn_crdt::ids! {
    /// A grant or a revocation, by the hash of what it says.
    GrantId
    /// A node of a Merkle log: a leaf, a subtree or a root.
    LogHash
    /// One entry of a waypoint, salted.
    EntryHash
    /// A repo as two peers name it to each other; says nothing to those who do not know the repo.
    RepoTag
    /// A repo as gossip names it.
    Topic
}

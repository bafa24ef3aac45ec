//! Every limit of the formats, with its unit in its name and the reason beside it.
//!
//! A reader checks a declared size against its limit before it allocates, so these numbers are
//! also the most memory that one bad input can cost. They are part of the signed formats:
//! what one node refuses, all nodes refuse.

/// The format level that this program writes, and the highest that it reads.
pub const FORMAT_LEVEL: u16 = 1;

/// One waypoint, encoded. A larger write becomes several waypoints.
///
/// Small enough that a frame holds one with its proof, large enough for a text file of 4 MiB.
pub const WAYPOINT_BYTES_MAX: usize = 8 << 20;
/// The entries of one waypoint: an import of as many small files as fill the bytes.
pub const ENTRIES_COUNT_MAX: usize = 1 << 16;
/// The payload of one entry: a waypoint holds at least one of them with its header.
pub const ENTRY_BYTES_MAX: usize = WAYPOINT_BYTES_MAX - (64 << 10);
/// The parents of one waypoint: one for each live head that a feed's branch may have.
pub const PARENTS_COUNT_MAX: usize = 64;
/// The heads of the grants that a record has seen. Concurrent admin acts are few.
pub const GRANT_HEADS_COUNT_MAX: usize = 16;

/// The name of a repo, project or branch, in bytes: a line on a screen.
pub const LABEL_BYTES_MAX: usize = 200;
/// A message that goes with a waypoint or mark.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// A person's name or mail address.
pub const PROFILE_BYTES_MAX: usize = 1 << 10;
/// The feeds that went on between two epochs: their lines stay below one waypoint.
pub const ABSORBED_COUNT_MAX: usize = 1 << 16;
/// The name of something in another system that it was imported from: the longest hash there is, in bytes.
pub const IMPORTED_NAME_BYTES_MAX: usize = 64;
/// The record of another system that is carried with an import: a commit with signatures and a long message.
pub const IMPORTED_RECORD_BYTES_MAX: usize = 1 << 20;
/// The paths of which one import says what no view shows: every file of a large tree that changes its mode.
pub const ODD_COUNT_MAX: usize = 1 << 16;
/// The runs of one feed that lie beside an epoch: a key that works on many branches at once.
pub const BESIDE_COUNT_MAX: usize = 1024;
/// The waypoints that a mark names as its frontier.
pub const FRONTIER_COUNT_MAX: usize = 4096;
/// Earlier floors that one floor takes the place of.
pub const FLOORS_COUNT_MAX: usize = 64;

/// Founders of one repo: they share its keys, so they are few.
pub const FOUNDERS_COUNT_MAX: usize = 16;
/// Links from a founder to the key that acts. Verifying a chain costs this many signatures at most.
pub const GRANT_CHAIN_COUNT_MAX: usize = 16;
/// The rights of one repo, revocations included: what fits into a few frames and is checked in seconds.
pub const GRANTS_COUNT_MAX: usize = 1 << 16;
/// Grants whose parent is not known yet: anybody can sign one, so they are few.
pub const ORPHAN_GRANTS_COUNT_MAX: usize = 1024;
/// The grants that a peer shows to be let in: a few chains of full length.
pub const SHOWN_GRANTS_COUNT_MAX: usize = 256;
/// The feeds that one revocation cuts.
pub const CUT_FEEDS_COUNT_MAX: usize = 4096;
/// How far a stamp may lie ahead of the reader's clock: computers drift by minutes, not by hours.
pub const STAMP_AHEAD_MS_MAX: u64 = 10 * 60 * 1000;

/// The length of a feed, as a power of two: keeps all arithmetic on positions inside 64 bits.
pub const FEED_LEVEL_MAX: u8 = 48;
/// The hashes of one Merkle proof: two for each level of the largest log.
pub const PROOF_HASHES_MAX: usize = 2 * FEED_LEVEL_MAX as usize + 2;

/// The waypoints of one stone, as a power of two: its index stays below 96 MiB.
pub const STONE_LEVEL_MAX: u8 = 20;
/// The index of one stone: a name, a place and a share of a block for each waypoint.
pub const INDEX_BYTES_MAX: u64 = 96 << 20;
/// What one block of a stone holds before a new one is begun, uncompressed.
pub const BLOCK_BYTES_TARGET: usize = 64 << 10;
/// One block of a stone, uncompressed: the largest waypoint and the target, so that one waypoint always fits.
pub const BLOCK_BYTES_MAX: usize = WAYPOINT_BYTES_MAX + BLOCK_BYTES_TARGET;
/// The waypoints of one pack, and the subtrees that are gone from it.
pub const PACK_ITEMS_MAX: u32 = 1 << 12;
/// What a pack's waypoints come to before a new one is begun: what lies in one memory while it is written or read.
pub const PACK_BYTES_TARGET: usize = 32 << 20;
/// What a pack's blocks come to, uncompressed: the target, one of the largest waypoints, and where its contents lie.
pub const PACK_BYTES_MAX: usize = PACK_BYTES_TARGET + 2 * WAYPOINT_BYTES_MAX;
/// The contents of one pack: each takes 8 bytes there, beside a salt and a hash.
pub const PACK_CONTENTS_COUNT_MAX: u32 = 1 << 20;
/// The blocks of one pack, of each sort: far more than its bytes fill.
pub const PACK_BLOCKS_COUNT_MAX: u32 = 1 << 12;
/// The subtrees that a run of waypoints makes up: two of each size.
pub const PACK_NODES_MAX: usize = 2 * STONE_LEVEL_MAX as usize + 2;
/// What one block of contents holds before a new one is begun, uncompressed: versions of a file lie together in it.
pub const CONTENTS_BYTES_TARGET: usize = 8 << 20;
/// The most bytes of a stone's summary, and of each of its parts before they are packed.
pub const SUMMARY_BYTES_MAX: usize = 256 << 20;
/// One stone's file: offsets stay far inside 64 bits and one file is copied in minutes.
pub const STONE_BYTES_MAX: u64 = 64 << 30;

/// One frame on a stream, encoded: two of the largest waypoints.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// What the waypoints of one segment may come to once decompressed.
pub const SEGMENT_BYTES_MAX: usize = 15 << 20;
/// The waypoints of one segment.
pub const SEGMENT_COUNT_MAX: usize = 1 << 16;
/// The epochs that one segment shows ahead of their turn: a feed that begins them on many branches at once.
pub const WITNESSES_COUNT_MAX: usize = 64;
/// What those come to, uncompressed: together with one of the largest waypoints they fit into a segment.
pub const WITNESSES_BYTES_MAX: usize = 7 << 20;
/// What an announcement carries inline; more is fetched.
pub const INLINE_BYTES_MAX: usize = 32 << 10;
/// One announcement, encoded: the inline bodies, the top and a proof.
pub const ANNOUNCE_BYTES_MAX: usize = INLINE_BYTES_MAX + (16 << 10);
/// The projects of one repo that an answer lists.
pub const PROJECTS_COUNT_MAX: usize = 4096;
/// The forks that one message tells of: their proofs stay far below a frame.
pub const FORKS_COUNT_MAX: usize = 256;
/// The histories of one forked feed that are kept beside the first one: enough for every machine of a
/// person who copied a key, too few to fill a disk with.
pub const SIDES_COUNT_MAX: usize = 8;
/// The lengths and roots by which an asker tells what it holds of a forked feed.
pub const KNOWN_COUNT_MAX: usize = SIDES_COUNT_MAX + 1;
/// The names, grants, forks or feeds in one frame of a bundle: far below a frame, many enough to be few frames.
pub const BUNDLE_LIST_COUNT_MAX: usize = 256;
/// The artifacts of one bundle.
pub const BUNDLE_ARTIFACTS_COUNT_MAX: usize = 1 << 16;
/// The chunks that the manifests of one bundle name together: their hashes are in memory while it is read.
pub const BUNDLE_CHUNKS_COUNT_MAX: usize = 1 << 20;
/// One part of a manifest in a bundle.
pub const MANIFEST_PART_BYTES_MAX: usize = 4 << 20;
/// The runs that one provenance tells of.
pub const PROVENANCE_STEPS_COUNT_MAX: usize = 4096;
/// The rights of those who wrote them: few people, and chains that they have in common.
pub const PROVENANCE_RIGHTS_COUNT_MAX: usize = 4096;
/// What those runs read and no run made.
pub const PROVENANCE_RAW_COUNT_MAX: usize = 1 << 16;
/// One provenance, encoded: its reader holds all of it.
pub const PROVENANCE_BYTES_MAX: u64 = 256 << 20;
/// The tops that one answer lists.
pub const TOPS_COUNT_MAX: usize = 1 << 15;

/// The chunks of one artifact: a manifest stays below 64 MiB.
pub const CHUNKS_COUNT_MAX: usize = 1 << 20;
/// A manifest, encoded: the most chunks that one may have, with room for the texts.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;
/// One chunk of an artifact: the most that the chunker makes.
pub const CHUNK_BYTES_MAX: u32 = 16 << 20;
/// What one artifact says it was made from.
pub const LINEAGE_COUNT_MAX: usize = 4096;
/// A file name or a media type in a manifest.
pub const MANIFEST_TEXT_BYTES_MAX: usize = 255;

/// Waypoints of one project that are held but wait for others: their operations are in memory.
pub const WAITING_COUNT_MAX: usize = 1 << 16;
/// Requests of one peer that are being answered: more are refused, so that a slow disk is no lever.
pub const SERVING_COUNT_MAX: usize = 16;
/// Operations of a project in memory that the disk gives again, some hundred bytes each; more, if one version needs more.
pub const OPS_HELD_COUNT_MAX: usize = 50_000;

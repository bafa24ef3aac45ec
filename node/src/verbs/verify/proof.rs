//! `verify --proof`: a file that says where an artifact came from. It needs no repo, no home and no owner.

use std::io::Read;
use std::path::{Path, PathBuf};

use cairn_crdt::encoding::Encoded;
use cairn_protocol::Reject;
use cairn_protocol::limits::PROVENANCE_BYTES_MAX;
use cairn_protocol::provenance::ProvenanceFile;

use crate::error::NodeError;
use crate::runs::provenance::{Chain, check};

/// What `verify --proof` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// The file.
    pub file: PathBuf,
    /// A file that should hold the artifact's bytes.
    pub artifact: Option<PathBuf>,
}

/// Checks the file, and that another one holds what it speaks of.
pub fn run(args: &Args) -> Result<Chain, NodeError> {
    let mut chain = match ProvenanceFile::from_bytes(&read(&args.file)?).map_err(Reject::from) {
        Ok(ProvenanceFile(signed)) => check(&signed),
        Err(error) => {
            let mut chain = Chain::default();
            chain.wrong("E_FORMAT", args.file.display().to_string(), error.to_string());
            chain
        }
    };
    if let Some(path) = args.artifact.as_deref().filter(|_| !chain.content.is_empty()) {
        let found = hash(path)?;
        if found != chain.content {
            let detail = format!("its bytes are {found}, and the artifact's {}", chain.content);
            chain.wrong("E_ARTIFACT", path.display().to_string(), detail);
        }
    }
    chain.ok = chain.problems.is_empty();
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    let failed = |error| NodeError::io("read", path, error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(PROVENANCE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 {
        0..=PROVENANCE_BYTES_MAX => Ok(bytes),
        _ => Err(NodeError::TooLarge { path: path.to_owned(), limit: PROVENANCE_BYTES_MAX }),
    }
}

fn hash(path: &Path) -> Result<String, NodeError> {
    let failed = |error| NodeError::io("read", path, error);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).map_err(failed)?).map_err(failed)?;
    Ok(hasher.finalize().to_hex().to_string())
}

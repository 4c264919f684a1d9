//! The append-only file: the journal on the disk, in Redis 7's files.

mod annotation;
mod manifest;
mod read;
mod replay;
mod scan;
mod writer;

pub use annotation::Annotation;
pub use manifest::{LogFile, Manifest, ManifestError, Role};
pub use replay::{ReplayError, replay};
pub use scan::{Damage, Scan, scan};
pub use writer::{AHEAD_BYTES, Writer};

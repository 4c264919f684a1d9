//! What can be wrong with a file or a payload.

use std::borrow::Cow;
use std::{fmt, io};

/// Why reading ended, and how many bytes of the input had been understood by then.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}{}: {what}", InKey(.key))]
pub struct RdbError {
    /// Bytes from the beginning of the input.
    pub offset: u64,
    /// The key whose value it is, if it is in one; its beginning, escaped.
    pub key: Option<String>,
    /// What is wrong there.
    #[source]
    pub what: Fault,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The input ends too early.
    #[error("the file ends here, in the middle")]
    Truncated,
    /// It does not begin as an RDB file does.
    #[error("this is no RDB file, it looks like {0}")]
    NotRdb(&'static str),
    /// It was written by something newer.
    #[error("RDB version {version} is from the future, written by {tool}")]
    Future {
        /// What the header tells.
        version: u32,
        /// The program that wrote it, and its version if the file says.
        tool: String,
    },
    /// The checksum is another one: some byte before it was changed.
    #[error("RDB CRC error: the checksum is {told:016x} and should be {found:016x}")]
    Checksum {
        /// What the file tells.
        told: u64,
        /// What its bytes have.
        found: u64,
    },
    /// No program writes this.
    #[error("{0}")]
    Invalid(&'static str),
    /// What this program does not know or cannot keep, by name.
    #[error("{0}")]
    Unsupported(Cow<'static, str>),
    /// Whoever takes the entries does not want to go on.
    #[error("{0}")]
    Refused(Cow<'static, str>),
}

struct InKey<'a>(&'a Option<String>);

impl fmt::Display for InKey<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |key| write!(formatter, ", in the value of the key \"{key}\""))
    }
}

impl Fault {
    /// Whether the input could not be read at all: its bytes may be fine.
    pub const fn is_io(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

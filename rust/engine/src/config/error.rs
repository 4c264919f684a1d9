//! What can be wrong with a configuration: the client's errors of `CONFIG SET`, and the world's errors of files and arguments.

use std::fmt;

/// Why `CONFIG SET` refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// A name without a value.
    Syntax,
    /// No option has this name.
    Unknown {
        /// As the client wrote it.
        name: Vec<u8>,
    },
    /// The option refuses the value, or any value.
    Failed {
        /// The name that the reply shows.
        name: Vec<u8>,
        /// The text behind the dash.
        reason: String,
    },
}

impl SetError {
    /// The refusal of `name` for `reason`; also what a server answers when it cannot apply a value that parsed, such as a port in use.
    pub fn failed(name: &str, reason: impl Into<String>) -> Self {
        Self::Failed { name: name.into(), reason: reason.into() }
    }

    /// The error reply without the leading `-` and the final CRLF. Line breaks in a name become spaces, as in every error reply.
    pub fn message(&self) -> Vec<u8> {
        let mut text = match self {
            Self::Syntax => b"ERR syntax error".to_vec(),
            Self::Unknown { name } => {
                [b"ERR Unknown option or number of arguments for CONFIG SET - '", name.as_slice(), b"'"].concat()
            }
            Self::Failed { name, reason } => {
                [b"ERR CONFIG SET failed (possibly related to argument '", name.as_slice(), b"') - ", reason.as_bytes()]
                    .concat()
            }
        };
        for byte in &mut text {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        text
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

impl std::error::Error for SetError {}

/// Why a configuration file or the command line cannot be used. The server prints it and exits with 78.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, `command line` or `standard input`.
    pub file: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The line, with the value replaced where it is a secret.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.reason);
        }
        // The line before what is wrong with it, as Redis has them.
        write!(f, "{}, line {}\n>>> '{}'\n{}", self.file, self.line, self.text, self.reason)
    }
}

impl std::error::Error for ConfigError {}

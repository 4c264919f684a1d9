//! RESP2 and RESP3: requests in, replies out, and replies of other nodes read.
//!
//! Nothing here knows a socket or a command.

pub mod decode;
pub mod output;
pub mod reply;
pub mod request;
pub mod tape;

pub use output::Output;
pub use reply::{Deferred, Reply};
pub use request::{ProtocolError, RequestLimits, RequestParser, Span};
pub use tape::{Tape, Value};

/// Which protocol a client chose with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of every new connection.
    #[default]
    Resp2,
    /// Typed replies and push messages.
    Resp3,
}

impl Protocol {
    /// 2 or 3, as HELLO and CLIENT LIST show it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

//! Streams.

use std::borrow::Cow;

use super::{Decoder, Found};
use crate::rdb::error::Fault;
use crate::rdb::input::Input;

impl Decoder<'_> {
    /// A stream; `kind` is one of its three types.
    #[expect(clippy::unused_self, reason = "the other types need it")]
    pub(super) fn stream<'a>(&'a mut self, _: &'a mut Input<'_>, _: u8) -> Result<Found<'a>, Fault> {
        Err(Fault::Unsupported(Cow::Borrowed("a stream: streams cannot be kept yet")))
    }
}

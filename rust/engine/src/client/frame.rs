//! A message for many clients, encoded once.

use std::fmt::Write;

use rkv_collections::bytes::Shared;
use smallvec::SmallVec;

use crate::resp::{Output, Protocol};

/// Words that are sent to clients as they are, without having been asked for. RESP2 and RESP3 differ in the first byte only,
/// so one buffer serves all readers, and a large one is not even copied.
#[derive(Debug)]
pub struct Frame {
    wire: Shared,
    /// Where the words stand.
    words: SmallVec<[(usize, usize); 4]>,
}

impl Frame {
    /// Encodes an array of strings.
    pub fn new(words: &[&[u8]]) -> Self {
        let bytes: usize = words.iter().map(|word| word.len() + 16).sum();
        let mut wire = Vec::with_capacity(bytes + 8);
        let mut places = SmallVec::with_capacity(words.len());
        let mut header = String::new();
        let _ = write!(header, ">{}\r\n", words.len());
        wire.extend_from_slice(header.as_bytes());
        for word in words {
            header.clear();
            let _ = write!(header, "${}\r\n", word.len());
            wire.extend_from_slice(header.as_bytes());
            places.push((wire.len(), wire.len() + word.len()));
            wire.extend_from_slice(word);
            wire.extend_from_slice(b"\r\n");
        }
        Self { wire: Shared::from(wire), words: places }
    }

    /// Bytes that every reader is sent.
    pub fn len(&self) -> usize {
        self.wire.len()
    }

    /// Always false: there is a header at least.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Sends it to a reader.
    #[inline]
    pub fn write(&self, protocol: Protocol, output: &mut Output) {
        output.extend(if protocol == Protocol::Resp3 { b">" } else { b"*" });
        output.splice_from(&self.wire, 1);
    }

    /// The words in order.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().filter_map(|(start, end)| self.wire.get(*start..*end))
    }
}

/// What a client that caches is told: these keys may have changed, or, without any, all of them.
#[derive(Debug)]
pub struct Invalidation(pub Option<Vec<Box<[u8]>>>);

/// Where invalidations go to clients of RESP2.
pub const INVALIDATION_CHANNEL: &[u8] = b"__redis__:invalidate";

impl Invalidation {
    /// About as many bytes as a reader is sent.
    pub fn len(&self) -> usize {
        self.0.iter().flatten().map(|key| key.len() + 16).sum::<usize>() + INVALIDATION_CHANNEL.len() + 16
    }

    /// Always false: there is a header at least.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Sends it to a reader; to one of RESP2 as a message of [`INVALIDATION_CHANNEL`].
    pub fn write(&self, protocol: Protocol, output: &mut Output) {
        let mut reply = crate::resp::Reply::wire(output, protocol);
        if protocol == Protocol::Resp3 {
            reply.push(2);
            reply.bulk(b"invalidate");
        } else {
            reply.push(3);
            reply.bulk(b"message");
            reply.bulk(INVALIDATION_CHANNEL);
        }
        match &self.0 {
            None => reply.null(),
            Some(keys) => {
                reply.array(keys.len());
                for key in keys {
                    reply.bulk(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_share_one_buffer() {
        let frame = Frame::new(&[b"message", b"channel", b"a\r\nb", b""]);
        for (protocol, marker) in [(Protocol::Resp2, '*'), (Protocol::Resp3, '>')] {
            let mut output = Output::default();
            frame.write(protocol, &mut output);
            let expected = format!("{marker}4\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
            assert_eq!(output.into_bytes(), expected.as_bytes());
        }
        assert_eq!(frame.words().collect::<Vec<_>>(), [b"message".as_slice(), b"channel", b"a\r\nb", b""]);
    }

    #[test]
    fn a_large_message_is_not_copied() {
        let frame = Frame::new(&[&vec![b'x'; 1 << 20]]);
        let mut output = Output::default();
        frame.write(Protocol::Resp2, &mut output);
        assert_eq!(output.len(), frame.len());
        assert!(output.heap_bytes() < 1000);
        assert_eq!(output.into_bytes().get(1..), frame.wire.get(1..));
    }
}

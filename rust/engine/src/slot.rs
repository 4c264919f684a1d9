//! Which of the 16,384 cluster slots a key belongs to.

/// A cluster slot, below [`Slot::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many slots a cluster has.
    pub const COUNT: u16 = 16_384;

    /// The slot of that number, if there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The number, below [`Slot::COUNT`].
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The slot of a key: a checksum of the key, or of what stands between its first `{` and the next `}` if that is not
/// empty, so that keys with a common tag share a slot.
pub fn slot(key: &[u8]) -> Slot {
    Slot(crc16(tag(key)) % Slot::COUNT)
}

fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else {
        return key;
    };
    let (_, behind) = key.split_at(open + 1);
    match memchr::memchr(b'}', behind) {
        None | Some(0) => key,
        Some(close) => behind.split_at(close).0,
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, no reflection, begins and ends with zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

static CRC16: [u16; 256] = crc16_table();

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of the catalogue of CRCs");
        assert_eq!(crc16(b""), 0);
    }

    /// Recorded from `CLUSTER KEYSLOT` of Redis 7.0.15.
    #[test]
    fn slots_are_those_of_redis() {
        let recorded: [(&[u8], u16); 16] = [
            (b"", 0),
            (b"foo", 12182),
            (b"123456789", 12739),
            (b"{user1000}.following", 3443),
            (b"{user1000}.followers", 3443),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"foo{bar}{zap}", 5061),
            (b"{}", 15257),
            (b"{", 4092),
            (b"}{", 12793),
            (b"}{a}", 15495),
            (b"{a", 10276),
            (b"a}b{c}", 7365),
            (b"\x00\xff{\x00}", 0),
            (&[b'x'; 300], 11216),
        ];
        for (key, expected) in recorded {
            assert_eq!(slot(key).get(), expected, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn only_existing_slots_can_be_named() {
        assert_eq!(Slot::new(16_383).map(Slot::get), Some(16_383));
        assert_eq!(Slot::new(16_384), None);
    }
}

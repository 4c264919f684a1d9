//! The cursor of SCAN: a shard and a position in its table's order of hash prefixes.

/// A cursor is a number below 2^53, so that every client can hold it as a float.
pub const CURSOR_BITS: u32 = 52;

/// Where an iteration over all shards stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The shard that comes next.
    pub shard: usize,
    /// The position in its table, aligned to the top of 64 bits.
    pub position: u64,
}

const POSITION_BITS: u32 = 46;

impl Cursor {
    /// Where every iteration begins.
    pub const START: Self = Self { shard: 0, position: 0 };

    /// From the number that a client sent. Any number is a legal cursor; bits that no cursor has are ignored.
    pub const fn from_number(number: u64, shard_count: usize) -> Self {
        let shard = (number >> POSITION_BITS) as usize;
        let position = number << (64 - POSITION_BITS);
        Self { shard: shard & (shard_count - 1), position }
    }

    /// The number for the client; 0 only at the start.
    pub const fn number(self) -> u64 {
        ((self.shard as u64) << POSITION_BITS) | (self.position >> (64 - POSITION_BITS))
    }

    /// The cursor behind a range of the table: further in the same shard, or the next shard's beginning; `None` at the end.
    pub const fn after(self, next_position: Option<u64>, shard_count: usize) -> Option<Self> {
        match next_position {
            Some(position) => Some(Self { shard: self.shard, position }),
            None if self.shard + 1 < shard_count => Some(Self { shard: self.shard + 1, position: 0 }),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_cursors_agree() {
        for cursor in
            [Cursor::START, Cursor { shard: 63, position: u64::MAX << 18 }, Cursor { shard: 5, position: 1 << 18 }]
        {
            assert_eq!(Cursor::from_number(cursor.number(), 64), cursor);
            assert!(cursor.number() < 1 << CURSOR_BITS);
        }
        assert_eq!(Cursor { shard: 3, position: 9 }.after(None, 4), None);
        assert_eq!(Cursor { shard: 2, position: 9 }.after(None, 4), Some(Cursor { shard: 3, position: 0 }));
    }
}

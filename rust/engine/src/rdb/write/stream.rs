//! Streams.
//!
//! ```text
//!   nodes { id (16), bytes }  entries  last id  first id  largest deleted id  entries ever added
//!   groups { name  last id  entries read  pending { id (16) time (8) deliveries }
//!            consumers { name  seen (8)  [active (8)]  pending { id (16) } } }
//! ```
//!
//! When a consumer was active stands only in files for Redis 8: its type of value is younger than Redis 7.0. Elsewhere a
//! consumer was active when it was seen.

use std::io::{self, Write};

use super::{Key, Target, Writer};
use crate::rdb::format::{self, kind};
use crate::values::Cell;
use crate::values::stream::{Group, Id, Stream};

/// The first version with the times at which consumers were active.
const VERSION_ACTIVE: u32 = 11;

impl<W: Write> Writer<W> {
    /// A stream, node by node.
    pub(super) fn stream(&mut self, key: Key<'_>, cell: &Cell<Stream>) -> io::Result<()> {
        let held = cell.read();
        let entries = held.entries();
        let has_active = self.options.target == Target::Redis8 && held.groups_len() > 0;
        if has_active {
            self.version = self.version.max(VERSION_ACTIVE).max(format::VERSION);
        }
        self.head(if has_active { kind::STREAM_3 } else { kind::STREAM_2 }, key);
        self.encoder.number(entries.nodes_len() as u64);
        for node in entries.nodes() {
            self.encoder.string(&node.id().to_bytes());
            self.encoder.string(node.as_bytes());
            self.flush_if_full()?;
        }
        self.encoder.number(entries.len() as u64);
        self.id(entries.last_id());
        self.id(entries.first_id());
        self.id(entries.max_deleted_id());
        self.encoder.number(entries.added());
        self.encoder.number(held.groups_len() as u64);
        held.groups().try_for_each(|(name, group)| self.group(name, group, has_active))
    }

    fn id(&mut self, id: Id) {
        self.encoder.number(id.ms);
        self.encoder.number(id.seq);
    }

    fn time(&mut self, unix_ms: i64) {
        self.encoder.out.extend_from_slice(&unix_ms.to_le_bytes());
    }

    fn group(&mut self, name: &[u8], group: &Group, has_active: bool) -> io::Result<()> {
        self.encoder.string(name);
        self.id(group.last_id);
        self.encoder.number(group.entries_read.unwrap_or(-1).cast_unsigned());
        self.encoder.number(group.pending_len() as u64);
        for pending in group.pending_from(Id::MIN) {
            self.encoder.out.extend_from_slice(&pending.id.to_bytes());
            self.time(pending.delivered_ms);
            self.encoder.number(pending.deliveries);
            self.flush_if_full()?;
        }
        self.encoder.number(group.consumers_len() as u64);
        for consumer in group.consumers() {
            self.encoder.string(&consumer.name);
            self.time(consumer.seen_ms);
            if has_active {
                self.time(consumer.active_ms.unwrap_or(-1));
            }
            self.encoder.number(consumer.pending_len() as u64);
            for id in consumer.pending_from(Id::MIN) {
                self.encoder.out.extend_from_slice(&id.to_bytes());
                self.flush_if_full()?;
            }
        }
        Ok(())
    }
}

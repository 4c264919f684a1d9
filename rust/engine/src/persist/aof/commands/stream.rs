//! Streams. What is pending of an entry that was deleted has no command, so it is left out, as Redis does.

use std::io::{self, Write};

use super::CommandWriter;
use crate::number::Decimal;
use crate::values::stream::{Group, Id, Stream};

impl<W: Write> CommandWriter<W> {
    /// A stream: entries, what it remembers, groups.
    pub(super) fn stream(&mut self, key: &[u8], stream: &Stream) -> io::Result<()> {
        let entries = stream.entries();
        for entry in entries.range(Id::MIN, Id::MAX) {
            let mut pairs = Vec::with_capacity(2 * entry.pairs());
            entry.each(|name, value| pairs.extend([name.to_vec(), value.to_vec()]));
            let id = entry.id.text();
            let head: [&[u8]; 3] = [b"XADD", key, &id];
            let words: Vec<&[u8]> = head.into_iter().chain(pairs.iter().map(Vec::as_slice)).collect();
            self.command(&words)?;
        }
        if entries.is_empty() {
            // An entry that goes at once leaves an empty stream.
            let id = entries.last_id().max(Id::new(0, 1)).text();
            self.command(&[b"XADD", key, b"MAXLEN", b"0", &id, b"x", b"y"])?;
        }
        let (last, max_deleted) = (entries.last_id().text(), entries.max_deleted_id().text());
        let added = Decimal::from(entries.added());
        self.command(&[b"XSETID", key, &last, b"ENTRIESADDED", &added, b"MAXDELETEDID", &max_deleted])?;
        stream.groups().try_for_each(|(name, group)| self.group(key, name, group))
    }

    fn group(&mut self, key: &[u8], name: &[u8], group: &Group) -> io::Result<()> {
        let (last, read) = (group.last_id.text(), Decimal::from(group.entries_read.unwrap_or(-1)));
        self.command(&[b"XGROUP", b"CREATE", key, name, &last, b"ENTRIESREAD", &read])?;
        for consumer in group.consumers() {
            self.command(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name])?;
        }
        for pending in group.pending_from(Id::MIN) {
            let (id, time) = (pending.id.text(), Decimal::from(pending.delivered_ms));
            let count = Decimal::from(pending.deliveries.cast_signed());
            let consumer = group.name(pending.consumer);
            self.command(&[
                b"XCLAIM",
                key,
                name,
                consumer,
                b"0",
                &id,
                b"TIME",
                &time,
                b"RETRYCOUNT",
                &count,
                b"JUSTID",
                b"FORCE",
            ])?;
        }
        Ok(())
    }
}

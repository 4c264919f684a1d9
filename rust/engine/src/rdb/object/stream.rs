//! Streams; see the head of the module that writes them.

use super::{Decoder, Found};
use crate::rdb::error::Fault;
use crate::rdb::format::kind;
use crate::rdb::input::Input;
use crate::values::stream::{ConsumerAt, Group, Id, Node, Pending, Stream};
use crate::values::{Collection, NewValue};

/// What is wrong with a group that has a consumer twice.
pub const CONSUMER_TWICE: &str = "a consumer is there twice";
const LENGTH: Fault = Fault::Invalid("a stream has another number of entries than it tells");
const TWICE: Fault = Fault::Invalid("an entry is pending twice");

/// What is pending, before its consumer is known.
struct Unclaimed {
    id: Id,
    delivered_ms: i64,
    deliveries: u64,
    consumer: Option<ConsumerAt>,
}

impl Decoder<'_> {
    /// A stream; `kind` is one of its three types.
    pub(super) fn stream<'a>(&'a mut self, input: &'a mut Input<'_>, kind: u8) -> Result<Found<'a>, Fault> {
        let (mut stream, mut forgotten) = (Stream::default(), 0);
        for _ in 0..input.number()? {
            let id =
                input.blob()?.try_into().map_err(|_| Fault::Invalid("a node of a stream has no id of 16 bytes"))?;
            let node = Node::from_bytes(Id::from_bytes(id), input.blob()?.to_vec());
            let node = node.ok_or(Fault::Invalid("a node of a stream is damaged"))?;
            let kept = self.forgets(stream.entries().len() + node.places() as usize).then(|| node.clone());
            if !stream.push_node(node) {
                return Err(Fault::Invalid("nodes of a stream are not in order"));
            }
            if let Some(last) = kept {
                // The next node, and the last id, are compared with this one.
                forgotten += stream.entries().len();
                stream = Stream::default();
                stream.push_node(last);
                forgotten -= stream.entries().len();
            }
        }
        let len = input.number()?;
        if len != (forgotten + stream.entries().len()) as u64 {
            return Err(LENGTH);
        }
        let last_id = id(input)?;
        if stream.entries().nodes().last().is_some_and(|node| node.last_id() > last_id) {
            return Err(Fault::Invalid("a stream has an entry behind its last id"));
        }
        let (mut max_deleted_id, mut added) = (Id::MIN, len);
        if kind != kind::STREAM {
            // The first id is that of the first entry, whatever is told.
            id(input)?;
            max_deleted_id = id(input)?;
            added = input.number()?;
        }
        stream.restore(last_id, max_deleted_id, added);
        for _ in 0..input.number()? {
            self.group(input, kind, &mut stream)?;
        }
        Ok(Found::Value(NewValue::Large(stream.into_large())))
    }

    fn group(&mut self, input: &mut Input<'_>, kind: u8, stream: &mut Stream) -> Result<(), Fault> {
        let mut name = std::mem::take(&mut self.name);
        input.text_into(&mut name)?;
        let last_id = id(input)?;
        let read = if kind == kind::STREAM {
            stream.entries().added_until(last_id).map(u64::cast_signed)
        } else {
            Some(input.number()?.cast_signed())
        };
        let mut group = Group::new(last_id, read.filter(|read| *read >= 0));
        let mut delivered = delivered(input)?;
        for _ in 0..input.number()? {
            self.consumer(input, kind, &mut group, &mut delivered)?;
        }
        for Unclaimed { id, delivered_ms, deliveries, consumer } in delivered {
            let consumer = consumer.ok_or(Fault::Invalid("an entry is pending for no consumer"))?;
            group.assign(Pending { id, delivered_ms, deliveries, consumer });
        }
        let is_new = stream.add_group(&name, group);
        self.name = name;
        if is_new { Ok(()) } else { Err(Fault::Invalid("a group is there twice")) }
    }

    fn consumer(
        &mut self,
        input: &mut Input<'_>,
        kind: u8,
        group: &mut Group,
        delivered: &mut [Unclaimed],
    ) -> Result<(), Fault> {
        input.text_into(&mut self.packed)?;
        let seen_ms = input.signed()?;
        let active_ms = if kind == kind::STREAM_3 { input.signed()? } else { seen_ms };
        if group.find(&self.packed).is_some() {
            return Err(Fault::Invalid(CONSUMER_TWICE));
        }
        let consumer = group.add(&self.packed, seen_ms);
        group.restore_active(consumer, (active_ms != -1).then_some(active_ms));
        for _ in 0..input.number()? {
            let id = Id::from_bytes(input.array()?);
            let place = delivered.binary_search_by_key(&id, |delivered| delivered.id);
            let delivered = place.ok().and_then(|place| delivered.get_mut(place));
            let delivered = delivered.ok_or(Fault::Invalid("a consumer has an entry that its group has not"))?;
            if delivered.consumer.replace(consumer).is_some() {
                return Err(TWICE);
            }
        }
        Ok(())
    }
}

/// An id as two numbers.
fn id(input: &mut Input<'_>) -> Result<Id, Fault> {
    Ok(Id::new(input.number()?, input.number()?))
}

/// What is pending in a group, in the order of ids.
fn delivered(input: &mut Input<'_>) -> Result<Vec<Unclaimed>, Fault> {
    let mut delivered = Vec::new();
    for _ in 0..input.number()? {
        let id = Id::from_bytes(input.array()?);
        let (delivered_ms, deliveries) = (input.signed()?, input.number()?);
        delivered.push(Unclaimed { id, delivered_ms, deliveries, consumer: None });
    }
    delivered.sort_unstable_by_key(|delivered: &Unclaimed| delivered.id);
    if delivered.is_sorted_by(|one, other| one.id < other.id) { Ok(delivered) } else { Err(TWICE) }
}

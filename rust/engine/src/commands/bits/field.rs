//! Integers at any bit: BITFIELD and `BITFIELD_RO`.

use smallvec::SmallVec;

use super::{bit_offset, checked_offset};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Rewrite;
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::values::bits::{Field, Overflow};
use crate::values::string::{StringRef, lengthen};

/// Operations of one command that need no memory of their own.
const INLINE: usize = 4;

/// What is done to a field.
#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increase(i64),
}

/// One operation.
#[derive(Clone, Copy)]
struct Operation {
    field: Field,
    offset: u64,
    action: Action,
    overflow: Overflow,
}

/// All operations of a command.
struct Operations {
    all: SmallVec<[Operation; INLINE]>,
    /// How many bytes the string needs for those that write; 0 if none does.
    bytes: usize,
}

impl Operations {
    fn read(context: &Context<'_, '_>, args: Args<'_>) -> Result<Self, Error> {
        let mut operations = Self { all: SmallVec::new(), bytes: 0 };
        let mut overflow = Overflow::Wrap;
        let mut words = args.cursor(2);
        while !words.is_done() {
            let left = words.left();
            if left > 1 && words.keyword("OVERFLOW") {
                overflow = if words.keyword("WRAP") {
                    Overflow::Wrap
                } else if words.keyword("SAT") {
                    Overflow::Saturate
                } else if words.keyword("FAIL") {
                    Overflow::Fail
                } else {
                    return Err(error::BITFIELD_OVERFLOW);
                };
                continue;
            }
            let make: fn(i64) -> Action = if left > 2 && words.keyword("GET") {
                |_| Action::Get
            } else if left > 3 && words.keyword("SET") {
                Action::Set
            } else if left > 3 && words.keyword("INCRBY") {
                Action::Increase
            } else {
                return Err(error::SYNTAX);
            };
            let field = Field::parse(words.expect_word()?).ok_or(error::BITFIELD_TYPE)?;
            let offset = field_offset(context, field, words.expect_word()?)?;
            let mut action = make(0);
            if !matches!(action, Action::Get) {
                let last = offset + u64::from(field.bits()) - 1;
                operations.bytes = operations.bytes.max((last >> 3) as usize + 1);
                action = make(words.integer()?);
            }
            operations.all.push(Operation { field, offset, action, overflow });
        }
        Ok(operations)
    }

    /// Runs those that read.
    fn get_all(&self, text: &[u8], reply: &mut Reply<'_>) {
        reply.array(self.all.len());
        for operation in &self.all {
            reply.integer(operation.field.get(text, operation.offset));
        }
    }

    /// Runs all of them and tells whether one changed anything.
    fn run(&self, bytes: &mut Vec<u8>, replies: &mut SmallVec<[Option<i64>; INLINE]>) -> (bool, bool) {
        let is_longer = lengthen(bytes, self.bytes);
        let mut has_written = false;
        for Operation { field, offset, action, overflow } in &self.all {
            let old = field.get(bytes, *offset);
            let new = match action {
                Action::Get => {
                    replies.push(Some(old));
                    continue;
                }
                Action::Set(number) => field.add(*number, 0, *overflow),
                Action::Increase(increment) => field.add(old, *increment, *overflow),
            };
            replies.push(if matches!(action, Action::Set(_)) { new.map(|_| old) } else { new });
            if let Some(new) = new {
                field.set(bytes, *offset, new);
                has_written |= is_longer || new != old;
            }
        }
        (has_written, has_written || is_longer)
    }
}

/// Reads the offset of a field: of its first bit, or behind `#` how many fields stand before it.
fn field_offset(context: &Context<'_, '_>, field: Field, text: &[u8]) -> Result<u64, Error> {
    match text {
        [b'#', number @ ..] => {
            let number = parse_i64(number).ok_or(error::BIT_OFFSET)?;
            checked_offset(context, number.checked_mul(i64::from(field.bits())))
        }
        _ => bit_offset(context, text),
    }
}

pub fn bitfield(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let operations = Operations::read(context, args)?;
    if operations.bytes == 0 {
        return read_fields(context, &operations, reply);
    }
    let mut replies = SmallVec::new();
    let edited = context.edit_string(context.key(0), |bytes, _| {
        let (has_written, changed) = operations.run(bytes, &mut replies);
        (has_written, Rewrite::of(changed))
    })?;
    reply.array(replies.len());
    for number in replies {
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
    let has_written = edited.result;
    Ok(match edited.changed {
        false => Effect::none(),
        // The string may be longer although no number was stored, which is no event in Redis either.
        true if !has_written => Effect::changed(),
        true => Effect::changed().event(KeyspaceEvents::STRING, "setbit", 0),
    })
}

pub fn bitfield_ro(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let operations = Operations::read(context, args)?;
    if operations.bytes != 0 {
        return Err(error::BITFIELD_RO);
    }
    read_fields(context, &operations, reply)
}

fn read_fields(context: &mut Context<'_, '_>, operations: &Operations, reply: &mut Reply<'_>) -> Outcome {
    match context.read(context.key(0)) {
        None => operations.get_all(b"", reply),
        Some(entry) => operations.get_all(&StringRef::of(entry.value())?.text(), reply),
    }
    Ok(Effect::none())
}

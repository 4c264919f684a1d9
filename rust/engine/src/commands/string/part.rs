//! Parts of strings: APPEND, GETRANGE, SETRANGE, STRLEN, LCS.

use rkv_collections::bytes::Shared;

use super::write;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Deadline, Effect, Outcome};
use crate::keyspace::Key;
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::values::NewValue;
use crate::values::lcs::{self, Piece};
use crate::values::string::{self, StringRef, Text};

/// Longer results are handed over in their buffer, shorter ones are copied next to their key.
const RAW_BYTES_MAX: usize = 512;

/// What a string was before a part of it is written.
enum Old {
    /// There is none.
    Absent,
    /// Its bytes, copied.
    Short(Vec<u8>),
    /// The length of one in a buffer of its own, which is better not copied.
    Long(usize),
}

impl Old {
    /// Looks a key up for a write; a copy has room for so many bytes more.
    fn open<'a>(context: &mut Context<'a, '_>, key: Key<'a>, room: usize) -> Result<Self, Error> {
        let Some(entry) = context.open(key) else { return Ok(Self::Absent) };
        let value = StringRef::of(entry.value())?;
        if let StringRef::Shared(shared) = value {
            return Ok(Self::Long(shared.len()));
        }
        let text = value.text();
        let mut bytes = Vec::with_capacity(text.len() + room);
        bytes.extend_from_slice(&text);
        Ok(Self::Short(bytes))
    }

    const fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Short(bytes) => bytes.len(),
            Self::Long(len) => *len,
        }
    }

    /// Writes bytes into the string at an offset and stores it; gives its length.
    ///
    /// # Errors
    /// It would become too long; then nothing is changed.
    fn write_at<'a>(
        self,
        context: &mut Context<'a, '_>,
        key: Key<'a>,
        offset: usize,
        data: &[u8],
    ) -> Result<usize, Error> {
        let len_max = context.store.settings.bulk_bytes_max();
        let end = offset.checked_add(data.len()).filter(|end| *end <= len_max).ok_or(error::STRING_TOO_LONG)?;
        let len = self.len().max(end);
        let mut bytes = match self {
            Self::Absent => Vec::with_capacity(len),
            Self::Short(bytes) => bytes,
            Self::Long(_) => {
                if context.change_large(key, |bytes| string::write_at(bytes, offset, data)) {
                    return Ok(len);
                }
                // A reply or a snapshot still reads the buffer, so this write goes to another one.
                let mut bytes = Vec::with_capacity(len);
                if let Some(entry) = context.open(key) {
                    bytes.extend_from_slice(&StringRef::of(entry.value())?.text());
                }
                bytes
            }
        };
        string::write_at(&mut bytes, offset, data);
        let value = if len > RAW_BYTES_MAX { NewValue::Shared(Shared::from(bytes)) } else { NewValue::Raw(&bytes) };
        context.put(key, value, Deadline::Keep);
        Ok(len)
    }
}

pub fn append(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, added) = (context.key(0), args.word(2));
    let old = Old::open(context, key, added.len())?;
    let len = if let Old::Absent = old {
        context.put(key, string::encode(added), Deadline::Clear);
        added.len()
    } else {
        let end = old.len();
        old.write_at(context, key, end, added)?
    };
    reply.integer(len as i64);
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "append", 0))
}

pub fn getrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let Some(entry) = context.read(context.key(0)) else {
        reply.bulk(b"");
        return Ok(Effect::none());
    };
    let value = StringRef::of(entry.value())?;
    let range = string::range(value.len(), start, end);
    if range.len() == value.len() {
        write(value, reply);
    } else {
        reply.bulk(value.text().get(range).unwrap_or_default());
    }
    Ok(Effect::none())
}

pub fn lcs(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (first, second) = (context.key(0), context.key(1));
    // Both must be there at once, which only `peek` can give; this counts them as read.
    context.read(first);
    context.read(second);
    let (a, b) = (operand(context, first)?, operand(context, second)?);
    let options = LcsOptions::read(args)?;
    // Redis keeps a table of 32-bit lengths and refuses to make a larger one; here the table is a limit for the time.
    let cells = (a.len() + 1).saturating_mul(b.len() + 1);
    if cells.saturating_mul(size_of::<u32>()) > context.store.settings.bulk_bytes_max() {
        return Err(error::LCS_TOO_LARGE);
    }
    if options.wants_len && !options.wants_places {
        reply.integer(lcs::len(&a, &b).map_err(|_| error::LCS_NO_MEMORY)? as i64);
        return Ok(Effect::none());
    }
    let pieces = lcs::pieces(&a, &b).map_err(|_| error::LCS_NO_MEMORY)?;
    if options.wants_places {
        options.write(&pieces, reply);
    } else {
        let parts = pieces.iter().rev().filter_map(|piece| a.get(piece.a..piece.a + piece.len));
        reply.bulk(&parts.collect::<Vec<_>>().concat());
    }
    Ok(Effect::none())
}

/// One of the strings of LCS; a missing key is an empty one.
fn operand<'c>(context: &'c Context<'_, '_>, key: Key<'_>) -> Result<Text<'c>, Error> {
    let Some(entry) = context.peek(key) else { return Ok(Text::Bytes(b"")) };
    StringRef::of(entry.value()).map(StringRef::text).map_err(|_| error::LCS_WRONG_TYPE)
}

/// What LCS is to tell.
struct LcsOptions {
    wants_len: bool,
    wants_places: bool,
    with_lengths: bool,
    len_min: usize,
}

impl LcsOptions {
    fn read(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self { wants_len: false, wants_places: false, with_lengths: false, len_min: 0 };
        let mut words = args.cursor(3);
        while !words.is_done() {
            if words.keyword("IDX") {
                options.wants_places = true;
            } else if words.keyword("LEN") {
                options.wants_len = true;
            } else if words.keyword("WITHMATCHLEN") {
                options.with_lengths = true;
            } else if words.keyword("MINMATCHLEN") {
                let len_min = words.expect_word().and_then(|word| parse_i64(word).ok_or(error::NOT_INTEGER))?;
                options.len_min = usize::try_from(len_min).unwrap_or_default();
            } else {
                return Err(error::SYNTAX);
            }
        }
        if options.wants_len && options.wants_places { Err(error::LCS_LEN_AND_IDX) } else { Ok(options) }
    }

    /// Writes the reply of IDX.
    fn write(&self, pieces: &[Piece], reply: &mut Reply<'_>) {
        let told = pieces.iter().filter(|piece| piece.len >= self.len_min);
        reply.map(2);
        reply.bulk(b"matches");
        reply.array(told.clone().count());
        for piece in told {
            reply.array(2 + usize::from(self.with_lengths));
            for begin in [piece.a, piece.b] {
                reply.array(2);
                reply.integer(begin as i64);
                reply.integer((begin + piece.len - 1) as i64);
            }
            if self.with_lengths {
                reply.integer(piece.len as i64);
            }
        }
        reply.bulk(b"len");
        reply.integer(pieces.iter().map(|piece| piece.len).sum::<usize>() as i64);
    }
}

pub fn setrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, data) = (context.key(0), args.word(3));
    let offset = usize::try_from(args.integer(2)?).map_err(|_| error::OFFSET_RANGE)?;
    let old = Old::open(context, key, data.len())?;
    if data.is_empty() {
        reply.integer(old.len() as i64);
        return Ok(Effect::none());
    }
    reply.integer(old.write_at(context, key, offset, data)? as i64);
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "setrange", 0))
}

pub fn strlen(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = match context.read(context.key(0)) {
        None => 0,
        Some(entry) => StringRef::of(entry.value())?.len(),
    };
    reply.integer(len as i64);
    Ok(Effect::none())
}

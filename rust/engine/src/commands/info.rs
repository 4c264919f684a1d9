//! INFO: what the server is and what it has done, as text in sections.
//!
//! Fields bear Redis's names and stand in its order. A field is there if its value is true: nothing is printed for what
//! rkv does not have, except a zero or `no` that says just that and that tools look for.

mod sections;

use sections::SECTIONS;

use crate::error::Error;
use crate::handler::{Args, Categories, Context, Effect, Flags, Group, Keys, MemoryUsage, Row, Store};
use crate::keyspace::Totals;
use crate::observe::{COUNTED_AT_ONCE_MAX, Count};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::new("INFO", -1, Group::Server, info)
    .doc("Describes the server and its statistics.", "O(1)")
    .keys(Keys::Each)
    .flags(Flags::LOADING.with(Flags::STALE).with(Flags::LINEAR))
    .categories(Categories::DANGEROUS)
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
    .usage("[section:string...]")];

fn info(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let words = args.from(1);
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    // `all` is everything but what modules add, of which there are none.
    let everything = has("everything") || has("all");
    let default = words.is_empty() || has("default");
    let mut report = Report::new(context);
    if everything || has("keysizes") {
        report.count_sizes(context)?;
    }
    let mut text = Text::default();
    for section in SECTIONS {
        let wanted = everything || (default && section.in_default) || has(section.name);
        if wanted {
            text.section(section.title);
            (section.write)(&report, &mut text);
        }
    }
    reply.verbatim("txt", text.0.as_bytes());
    Ok(Effect::none())
}

/// A part of INFO.
struct Section {
    /// By which it is asked for.
    name: &'static str,
    /// Above its fields.
    title: &'static str,
    /// Without arguments it is shown.
    in_default: bool,
    write: fn(&Report<'_>, &mut Text),
}

/// The text as it grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        self.0.extend(["# ", title, "\r\n"]);
    }

    fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn fields<T: std::fmt::Display>(&mut self, fields: &[(&str, T)]) {
        for (name, value) in fields {
            self.field(name, value);
        }
    }

    /// A field in bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }
}

/// `1.50M`: as Redis writes bytes for people.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let unit = ((bytes.ilog2() / 10) as usize).min(UNITS.len() - 1);
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit])
}

/// Everything that sections are written from.
struct Report<'a> {
    store: &'a Store,
    now_ms: i64,
    shards: Totals,
    usage: MemoryUsage,
    /// How large keys are, of a small store that was asked for it.
    counted: Option<Count>,
}

impl<'a> Report<'a> {
    fn new(context: &mut Context<'_, 'a>) -> Self {
        let shards = context.totals();
        let usage = MemoryUsage::new(context.store, &shards);
        Self { store: context.store, now_ms: context.now_ms(), shards, usage, counted: None }
    }

    /// Counts the keys by their sizes if there are few.
    fn count_sizes(&mut self, context: &mut Context<'_, 'a>) -> Result<(), Error> {
        if self.shards.dbs.iter().map(|db| db.keys).sum::<usize>() > COUNTED_AT_ONCE_MAX {
            return Ok(());
        }
        let (mut count, now_ms) = (Count::default(), self.now_ms);
        for index in 0..self.store.keyspace.len() {
            context.visit(index, |shard, hasher| {
                for (number, db) in shard.dbs().filter(|(_, db)| !db.is_empty()) {
                    let mut next = Some(0);
                    while let Some(position) = next {
                        next = count.add(number, db, hasher, position, now_ms);
                    }
                }
            })?;
        }
        self.counted = Some(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_bytes_as_redis_writes_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (916_216, "894.74K"),
            (25_276_510_208, "23.54G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}

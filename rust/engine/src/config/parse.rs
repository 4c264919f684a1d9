//! Words to values and back: one parser and one printer per kind. The reasons are Redis's texts.

use std::sync::Arc;

use super::limit;
use super::number::{decimal, loose_integer, memory_bytes, strict_integer};
use super::option::{Choice, Kind};
use super::value::{KeyspaceEvents, OutputLimits, SavePoint, Share, Value};

/// How many addresses `bind` takes.
const ADDRESSES_MAX: usize = 16;

type Parsed = Result<Value, String>;

impl Kind {
    /// Whether the option takes several words: then its words may also stand in one, separated by spaces.
    pub(super) fn takes_many(&self) -> bool {
        matches!(
            self,
            Self::Flags(_)
                | Self::Addresses
                | Self::SavePoints
                | Self::OutputLimits
                | Self::OomScores
                | Self::Percentiles
                | Self::Primary
        )
    }

    /// A value to build the default on.
    pub(super) fn empty(&self) -> Value {
        match self {
            Self::OutputLimits => Value::OutputLimits(OutputLimits::default()),
            Self::SavePoints => Value::SavePoints(Arc::new([])),
            _ => Value::Bool(false),
        }
    }

    /// The value that `words` mean. `old` is the value before: client classes that are not named keep their limits, and with `adding` save
    /// points add up.
    pub(super) fn parse(&self, words: &[&[u8]], old: &Value, adding: bool) -> Parsed {
        if self.takes_many() {
            return self.parse_many(words, old, adding);
        }
        let [word] = words else {
            return Err("wrong number of arguments".into());
        };
        self.parse_one(word)
    }

    fn parse_one(&self, word: &[u8]) -> Parsed {
        match self {
            Self::Bool => parse_bool(word),
            Self::Integer { min, max } => {
                let number = strict_integer(word).ok_or(NOT_AN_INTEGER)?;
                within(number, *min, *max).map(Value::Integer)
            }
            Self::Capped { low, high } => {
                let number = strict_integer(word).ok_or(NOT_AN_INTEGER)?;
                let number = within(number, 0, i64::from(i32::MAX))?;
                Ok(Value::Integer(number.clamp(*low, *high)))
            }
            Self::Octal { max } => parse_octal(word, *max),
            Self::Memory { min, max } => {
                let bytes = memory_bytes(word).ok_or(NOT_MEMORY)?;
                within(bytes, *min, *max).map(Value::Memory)
            }
            Self::MemoryAtLeast { low } => {
                let bytes = memory_bytes(word).ok_or(NOT_MEMORY)?;
                within(bytes, 1, i64::MAX as u64).map(|bytes| Value::Memory(bytes.max(*low)))
            }
            Self::MemoryOrMinusOne => parse_memory_or_minus_one(word),
            Self::MemoryOrPercent => parse_share(word),
            Self::Enum(choices) => find_choice(choices, word).map(|(_, number)| {
                let printed = choices.iter().find(|(_, other)| *other == number);
                Value::Choice(printed.map_or("", |(word, _)| word))
            }),
            Self::Text(check) => {
                check(word)?;
                Ok(Value::Text(word.into()))
            }
            Self::KeyspaceEvents => KeyspaceEvents::from_letters(word)
                .map(Value::KeyspaceEvents)
                .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
            _ => unreachable!("{self:?} takes many words"),
        }
    }

    fn parse_many(&self, words: &[&[u8]], old: &Value, adding: bool) -> Parsed {
        // For these kinds one empty word is no words.
        let listed = if words == [b""] { &[] } else { words };
        match self {
            Self::Flags(choices) => parse_flags(choices, words),
            Self::Addresses if listed.len() > ADDRESSES_MAX => Err("Too many bind addresses specified.".into()),
            Self::Addresses => Ok(Value::Words(listed.iter().map(|word| (*word).into()).collect())),
            Self::SavePoints => parse_save_points(listed, old, adding && words != [b""]),
            Self::OutputLimits => limit::parse(words, old).map(Value::OutputLimits),
            Self::OomScores => parse_scores(words),
            Self::Percentiles => parse_percentiles(listed),
            Self::Primary => parse_primary(words),
            _ => unreachable!("{self:?} takes one word"),
        }
    }

    /// What `CONFIG GET` prints.
    pub(super) fn print(&self, value: &Value) -> Vec<u8> {
        match value {
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
            Value::Integer(number) if matches!(self, Self::Octal { .. }) => format!("{number:o}").into(),
            Value::Integer(number) => number.to_string().into(),
            Value::Memory(bytes) | Value::Share(Share::Bytes(bytes)) => bytes.to_string().into(),
            Value::Share(Share::Percent(percent)) => format!("{percent}%").into(),
            Value::Choice(word) => (*word).into(),
            Value::Bits(bits) => self.print_flags(*bits),
            Value::Text(text) => text.to_vec(),
            Value::Words(words) => words.join(&b' '),
            Value::SavePoints(points) => joined(points.iter().map(|p| format!("{} {}", p.seconds, p.changes))),
            Value::OutputLimits(limits) => limit::print(limits).into(),
            Value::OomScores(scores) => joined(scores.iter().map(ToString::to_string)),
            Value::KeyspaceEvents(events) => events.letters(),
            Value::Percentiles(list) => joined(list.iter().map(|number| print_percentile(*number))),
            Value::Primary(None) => Vec::new(),
            Value::Primary(Some((host, port))) => [host, b" ".as_slice(), port.to_string().as_bytes()].concat(),
        }
    }

    fn print_flags(&self, bits: u32) -> Vec<u8> {
        let Self::Flags(choices) = self else {
            unreachable!("bits belong to flags");
        };
        let chosen = choices.iter().filter(|(_, number)| if bits == 0 { *number == 0 } else { bits & number != 0 });
        joined(chosen.map(|(word, _)| (*word).to_owned()))
    }
}

const NOT_AN_INTEGER: &str = "argument couldn't be parsed into an integer";
const NOT_MEMORY: &str = "argument must be a memory value";

fn joined(words: impl Iterator<Item = String>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(" ").into()
}

fn parse_bool(word: &[u8]) -> Parsed {
    if word.eq_ignore_ascii_case(b"yes") {
        Ok(Value::Bool(true))
    } else if word.eq_ignore_ascii_case(b"no") {
        Ok(Value::Bool(false))
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

fn within<N: Copy + PartialOrd + std::fmt::Display>(number: N, min: N, max: N) -> Result<N, String> {
    if number < min || number > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(number)
}

fn parse_octal(word: &[u8], max: i64) -> Parsed {
    let number = loose_integer(word, 8).ok_or("argument couldn't be parsed as an octal number")?;
    if !(0..=max).contains(&number) {
        return Err(format!("argument must be between 0 and {max:o} inclusive"));
    }
    Ok(Value::Integer(number))
}

fn parse_memory_or_minus_one(word: &[u8]) -> Parsed {
    let bytes = memory_bytes(word).map(i64::try_from).and_then(Result::ok);
    let number = bytes.or_else(|| strict_integer(word)).ok_or(NOT_MEMORY)?;
    within(number, -1, i64::MAX).map(Value::Integer)
}

fn parse_share(word: &[u8]) -> Parsed {
    if let Some(bytes) = memory_bytes(word) {
        if bytes > i64::MAX as u64 {
            return Err(format!("argument must be between -100 and {} inclusive", i64::MAX));
        }
        return Ok(Value::Share(Share::Bytes(bytes)));
    }
    let percent = word.strip_suffix(b"%").and_then(strict_integer);
    let percent = percent.filter(|percent| *percent >= 0);
    match percent.ok_or("argument must be a memory or percent value")? {
        0 => Ok(Value::Share(Share::Bytes(0))),
        percent @ 1..=100 => Ok(Value::Share(Share::Percent(percent as u8))),
        _ => Err("percentage argument must be less or equal to 100".into()),
    }
}

fn find_choice(choices: &[Choice], word: &[u8]) -> Result<Choice, String> {
    let found = choices.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("argument(s) must be one of the following: {}", names.join(", "))
    })
}

fn parse_flags(choices: &[Choice], words: &[&[u8]]) -> Parsed {
    // No words at all are as wrong as an unknown one.
    let words = if words.is_empty() { &[b"".as_slice()] } else { words };
    let mut bits = 0;
    for word in words {
        bits |= find_choice(choices, word)?.1;
    }
    let contradiction = super::table::SAVE | super::table::NOSAVE;
    if bits & contradiction == contradiction {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Bits(bits))
}

fn parse_save_points(words: &[&[u8]], old: &Value, adding: bool) -> Parsed {
    let invalid = || "Invalid save parameters".to_owned();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(invalid());
    }
    let mut points = match old {
        Value::SavePoints(points) if adding => points.to_vec(),
        _ => Vec::new(),
    };
    for [seconds, changes] in pairs {
        let seconds = loose_integer(seconds, 10).filter(|seconds| *seconds >= 1);
        let changes = loose_integer(changes, 10).filter(|changes| *changes >= 0);
        points.push(SavePoint { seconds: seconds.ok_or_else(invalid)?, changes: changes.ok_or_else(invalid)? });
    }
    Ok(Value::SavePoints(points.into()))
}

fn parse_scores(words: &[&[u8]]) -> Parsed {
    let words: [&[u8]; 3] = words.try_into().map_err(|_| "wrong number of arguments".to_owned())?;
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip(words) {
        let number = loose_integer(word, 10).filter(|number| (-2000..=2000).contains(number));
        *score = number.ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")? as i32;
    }
    Ok(Value::OomScores(scores))
}

fn parse_percentiles(words: &[&[u8]]) -> Parsed {
    let mut list = Vec::with_capacity(words.len());
    for word in words {
        let percentile = decimal(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        list.push(percentile);
    }
    Ok(Value::Percentiles(list.into()))
}

/// Six decimals, without the zeros at their end.
fn print_percentile(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn parse_primary(words: &[&[u8]]) -> Parsed {
    match words {
        [host, port] if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") => {
            Ok(Value::Primary(None))
        }
        [host, port] => {
            let port = loose_integer(port, 10).map(u16::try_from).and_then(Result::ok);
            let port = port.ok_or("Invalid master port")?;
            Ok(Value::Primary(Some(((*host).into(), port))))
        }
        _ => Err("wrong number of arguments".into()),
    }
}

//! Reading a file: its frame here, its values in `object`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::check::looks_like;
use super::error::{Fault, RdbError};
use super::format::{self, SUMMED, op};
use super::input::{Input, Source};
use super::object::{Decoder, Found, module};
use crate::values::{NewValue, Rules};

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions<'a> {
    /// When collections leave their packed forms.
    pub rules: &'a Rules,
    /// The present in Unix milliseconds.
    pub now_ms: i64,
    /// How many databases there are; keys of others are refused.
    pub databases: usize,
    /// Whether the checksum is computed and compared.
    pub checksum: bool,
    /// Whether values of modules are read over; they are refused otherwise.
    pub skip_modules: bool,
    /// Whether values are only proved: of a large collection, all elements are read, and only the last ones are told.
    pub skims: bool,
}

/// A key with its value.
#[derive(Debug)]
pub struct Loaded<'a> {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: &'a [u8],
    /// The value, in the form in which it is stored.
    pub value: NewValue<'a>,
    /// When it expires, in Unix milliseconds; may be over.
    pub deadline_ms: Option<i64>,
    /// For how many seconds it was not accessed, if the file says.
    pub idle_s: Option<u64>,
    /// Its access counter, if the file says.
    pub frequency: Option<u8>,
}

/// Takes what a file tells, in its order. An error ends the reading.
#[expect(unused_variables, reason = "names of arguments are their documentation")]
pub trait Sink {
    /// The version of the format.
    ///
    /// # Errors
    /// No such file is wanted.
    fn version(&mut self, version: u32) -> Result<(), Fault> {
        Ok(())
    }

    /// Something about the file: which program wrote it, when, with what replication identity.
    ///
    /// # Errors
    /// It does not suit.
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    /// The keys that follow belong to this database.
    ///
    /// # Errors
    /// They are not wanted.
    fn begin_db(&mut self, db: usize) -> Result<(), Fault> {
        Ok(())
    }

    /// About how many keys the database has, and how many of them with a deadline. Proved by nothing.
    fn expect(&mut self, keys: u64, with_deadline: u64) {}

    /// A key with its value.
    ///
    /// # Errors
    /// It cannot be stored.
    fn entry(&mut self, loaded: Loaded<'_>) -> Result<(), Fault>;

    /// A key with a collection of no elements, which is none.
    fn empty(&mut self, key: &[u8]) {}

    /// The source of a library of functions.
    ///
    /// # Errors
    /// It cannot be stored.
    fn function(&mut self, source: &[u8]) -> Result<(), Fault>;

    /// How many bytes were read; called about once for each block.
    ///
    /// # Errors
    /// Whoever watches does not want to go on.
    fn progress(&mut self, bytes: u64) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a file was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The version of the format.
    pub version: u32,
    /// Bytes up to the end of the data; in a log with a preamble, more follows.
    pub bytes: u64,
    /// Keys that were told.
    pub keys: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// Collections without elements, which are no keys. Old servers wrote them.
    pub empty_keys: u64,
    /// Values of modules that were read over.
    pub module_values: u64,
    /// Modules that kept something besides values, which was read over.
    pub module_data: BTreeSet<String>,
    /// The checksum that the file tells, if it tells one.
    pub checksum: Option<u64>,
    /// Whether that was compared with the one that its bytes have.
    pub is_checked: bool,
}

/// How often progress is told.
const PROGRESS_BYTES: u64 = 256 << 10;

/// Reads a file from its header to its end.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(source: &mut dyn Source, sink: &mut dyn Sink, options: &ReadOptions<'_>) -> Result<Summary, RdbError> {
    let mut input = Input::new(source);
    let mut reader = Reader {
        sink,
        options,
        decoder: Decoder::new(options.rules, options.now_ms).skimming(options.skims),
        summary: Summary::default(),
        key: Vec::new(),
        is_in_value: false,
        next: Next::default(),
        told: 0,
        is_summed: false,
    };
    reader.run(&mut input).map_err(|what| RdbError { offset: input.position(), key: reader.named(), what })?;
    Ok(reader.summary)
}

/// What is known of the key that comes next.
#[derive(Clone, Copy, Debug, Default)]
struct Next {
    db: usize,
    deadline_ms: Option<i64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

struct Reader<'a> {
    sink: &'a mut dyn Sink,
    options: &'a ReadOptions<'a>,
    decoder: Decoder<'a>,
    summary: Summary,
    key: Vec<u8>,
    /// Whether the value of the key is being read.
    is_in_value: bool,
    next: Next,
    told: u64,
    /// Whether the file says that it ends with a checksum.
    is_summed: bool,
}

/// Of a key that an error names.
const NAMED_BYTES_MAX: usize = 64;

impl Reader<'_> {
    fn run(&mut self, input: &mut Input<'_>) -> Result<(), Fault> {
        if !self.options.checksum {
            input.ignore_checksum();
        }
        let version = read_header(input)?;
        self.summary.version = version;
        self.decoder.set_version(version);
        self.sink.version(version)?;
        loop {
            if input.position() - self.told >= PROGRESS_BYTES {
                self.told = input.position();
                self.sink.progress(self.told)?;
            }
            let kind = input.byte()?;
            if kind < op::SLOT_IMPORT {
                self.entry(input, kind)?;
            } else if kind == op::EOF {
                break;
            } else {
                self.operation(input, kind)?;
            }
        }
        self.end(input)
    }

    /// The key whose value was being read, for an error.
    fn named(&self) -> Option<String> {
        let start = self.key.get(..NAMED_BYTES_MAX).unwrap_or(&self.key);
        self.is_in_value.then(|| start.escape_ascii().to_string())
    }

    #[inline]
    fn entry(&mut self, input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
        input.text_into(&mut self.key)?;
        let Next { db, deadline_ms, idle_s, frequency } = self.next;
        self.next = Next { db, ..Next::default() };
        if self.options.skip_modules && module::is_value(kind) {
            module::skip_value(input, kind)?;
            self.summary.module_values += 1;
            return Ok(());
        }
        self.is_in_value = true;
        let found = self.decoder.value(input, kind)?;
        self.is_in_value = false;
        match found {
            Found::Value(value) => {
                self.summary.keys += 1;
                self.sink.entry(Loaded { db, key: &self.key, value, deadline_ms, idle_s, frequency })
            }
            Found::Empty => {
                self.summary.empty_keys += 1;
                self.sink.empty(&self.key);
                Ok(())
            }
        }
    }

    fn operation(&mut self, input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
        match kind {
            op::AUX => {
                let mut value = Vec::new();
                input.text_into(&mut self.key)?;
                input.text_into(&mut value)?;
                self.is_summed |= (self.key.as_slice(), value.as_slice()) == SUMMED;
                self.sink.aux(&self.key, &value)?;
            }
            op::SELECTDB => {
                let db = input.number()?;
                let db = usize::try_from(db).ok().filter(|db| *db < self.options.databases);
                self.next.db = db.ok_or(Fault::Unsupported(Cow::Borrowed("a database beyond those configured")))?;
                self.sink.begin_db(self.next.db)?;
            }
            op::RESIZEDB => {
                let (keys, with_deadline) = (input.number()?, input.number()?);
                self.sink.expect(keys, with_deadline);
            }
            op::EXPIRETIME_MS => self.next.deadline_ms = Some(input.signed()?),
            op::EXPIRETIME => self.next.deadline_ms = Some(i64::from(i32::from_le_bytes(input.array()?)) * 1000),
            op::IDLE => self.next.idle_s = Some(input.number()?),
            op::FREQ => self.next.frequency = Some(input.byte()?),
            op::FUNCTION => {
                input.text_into(&mut self.key)?;
                self.summary.functions += 1;
                self.sink.function(&self.key)?;
            }
            op::MODULE_AUX => {
                self.summary.module_data.insert(module::skip_aux(input)?);
            }
            // How many keys the slot has, and how many with a deadline.
            op::SLOT_INFO => drop((input.number()?, input.number()?, input.number()?)),
            op::FUNCTION_PRE_GA => return Err(unsupported("functions as release candidates of Redis 7.0 wrote them")),
            op::SLOT_IMPORT => return Err(unsupported("an import of slots that was under way")),
            _ => return Err(Fault::Invalid("no operation and no type has this number")),
        }
        Ok(())
    }

    fn end(&mut self, input: &mut Input<'_>) -> Result<(), Fault> {
        if self.summary.version >= 5 {
            let found = input.checksum();
            let told = u64::from_le_bytes(input.array()?);
            self.summary.checksum = (told != 0).then_some(told);
            if let Some(found) = found
                && (told != 0 || self.is_summed)
            {
                if told != found {
                    return Err(Fault::Checksum { told, found });
                }
                self.summary.is_checked = true;
            }
        }
        self.summary.bytes = input.position();
        self.sink.progress(self.summary.bytes)
    }
}

fn unsupported(what: &'static str) -> Fault {
    Fault::Unsupported(Cow::Borrowed(what))
}

/// Reads the header, and gives the version.
fn read_header(input: &mut Input<'_>) -> Result<u32, Fault> {
    if input.is_at_end()? {
        return Err(Fault::NotRdb("an empty file"));
    }
    let magic: [u8; 9] = match input.array() {
        Ok(magic) => magic,
        Err(Fault::Truncated) => return Err(Fault::NotRdb("a file of a few bytes")),
        Err(other) => return Err(other),
    };
    let digits = match &magic {
        [b'R', b'E', b'D', b'I', b'S', digits @ ..] => digits.as_slice(),
        [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => digits.as_slice(),
        other => return Err(Fault::NotRdb(looks_like(other))),
    };
    let version = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let version = version.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    // Each of the two begins with its own name, from the version on that parts them.
    let is_consistent = format::header(version) == magic;
    match version {
        0 => Err(Fault::Invalid("the header names no version")),
        version if !format::is_known(version) => Err(Fault::Future { version, tool: writer_of(input, &magic) }),
        _ if !is_consistent => Err(Fault::Invalid("the header's name does not go with its version")),
        version => Ok(version),
    }
}

/// Which program wrote a file that cannot be read, as the first things that it tells may say.
fn writer_of(input: &mut Input<'_>, magic: &[u8; 9]) -> String {
    const LOOKED_AT_MAX: usize = 16;
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for _ in 0..LOOKED_AT_MAX {
        let is_told = matches!(input.byte(), Ok(op::AUX))
            && input.text_into(&mut name).is_ok()
            && input.text_into(&mut value).is_ok();
        if !is_told {
            break;
        }
        let program = match name.as_slice() {
            b"redis-ver" => "Redis",
            b"valkey-ver" => "Valkey",
            _ => continue,
        };
        let version = value.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic);
        return format!("{program} {}", version.take(32).collect::<String>());
    }
    if magic.starts_with(b"VALKEY") { "Valkey" } else { "Redis" }.to_owned()
}

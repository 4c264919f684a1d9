//! DUMP and RESTORE: one value outside of any file.
//!
//! ```text
//!   type (1)  value  version (2)  checksum of all before (8)
//! ```

use super::batch::Batch;
use super::crc64::crc64;
use super::error::{Fault, RdbError};
use super::format;
use super::input::Input;
use super::object::{Decoder, Found};
use super::read::Loaded;
use super::write::{WriteOptions, Writer};
use crate::values::{NewValue, Rules, ValueRef};

const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;

/// A value as DUMP gives it. Every server from Redis 7.0 on takes it, or from Valkey 9 on if fields of a hash have
/// deadlines.
pub fn dump(value: ValueRef<'_>, compress: bool) -> Vec<u8> {
    let options = WriteOptions { compress, checksum: false, ..WriteOptions::default() };
    // Writing to memory does not fail, and the target takes all values.
    let (mut payload, version) = Writer::payload(Vec::new(), value, options).unwrap_or_default();
    payload.extend_from_slice(&(version as u16).to_le_bytes());
    let crc = crc64(0, &payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    payload
}

/// A value that was restored, to be stored.
#[derive(Debug)]
pub struct Restored(Batch);

impl Restored {
    /// The value.
    pub fn value(&self) -> NewValue<'_> {
        self.0.iter().next().map_or(NewValue::Bytes(&[]), |loaded| loaded.value)
    }
}

/// Why a payload is refused.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Its version is not known, or its checksum is another one.
    #[error("version or checksum are wrong")]
    Frame,
    /// There is no such value.
    #[error(transparent)]
    Value(#[from] RdbError),
}

/// The value that a payload is. With `ignores_checksum` its checksum may be any.
///
/// # Errors
/// It is none.
pub fn restore(payload: &[u8], rules: &Rules, now_ms: i64, ignores_checksum: bool) -> Result<Restored, RestoreError> {
    let (checked, told) = payload.split_last_chunk::<CHECKSUM_BYTES>().ok_or(RestoreError::Frame)?;
    let (body, version) = checked.split_last_chunk::<VERSION_BYTES>().ok_or(RestoreError::Frame)?;
    let version = u32::from(u16::from_le_bytes(*version));
    let told = u64::from_le_bytes(*told);
    if !format::is_known(version) || !ignores_checksum && told != crc64(0, checked) {
        return Err(RestoreError::Frame);
    }
    let mut rest = body;
    let mut input = Input::with_block(&mut rest, body.len());
    input.ignore_checksum();
    match value_of(&mut input, version, rules, now_ms) {
        Ok(restored) => Ok(restored),
        Err(what) => Err(RestoreError::Value(RdbError { offset: input.position(), key: None, what })),
    }
}

fn value_of(input: &mut Input<'_>, version: u32, rules: &Rules, now_ms: i64) -> Result<Restored, Fault> {
    let mut decoder = Decoder::new(rules, now_ms);
    decoder.set_version(version);
    let kind = input.byte()?;
    let mut restored = Batch::default();
    match decoder.value(input, kind)? {
        Found::Value(value) => {
            restored.push(Loaded { db: 0, key: &[], value, deadline_ms: None, idle_s: None, frequency: None });
        }
        Found::Empty => return Err(Fault::Invalid("a collection without elements")),
    }
    if !input.is_at_end()? {
        return Err(Fault::Invalid("something follows the value"));
    }
    Ok(Restored(restored))
}

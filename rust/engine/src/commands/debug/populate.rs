//! DEBUG POPULATE: many strings at once, for tests of servers.

use std::io::Write;

use crate::error::{self, Error};
use crate::handler::Context;
use crate::limits;
use crate::number;
use crate::values::NewValue;

/// Makes the strings `<prefix>:0`, `<prefix>:1`, ..., unless they are there, with the values `value:0`, `value:1`, ..., cut or
/// filled up with zero bytes to a size, if one is given. They are neither logged nor counted as changes, as in Redis.
pub(super) fn populate(context: &mut Context<'_, '_>, words: &[&[u8]]) -> Result<(), Error> {
    let number = |word: Option<&&[u8]>| {
        let number = word.map_or(Some(0), |word| number::parse_i64(word));
        number.and_then(|number| u64::try_from(number).ok()).ok_or(error::NOT_POSITIVE)
    };
    let count = number(words.first())?;
    let prefix = words.get(1).copied().unwrap_or(b"key");
    let size = number(words.get(2))?;
    if size > limits::BULK_BYTES_MAX_DEFAULT as u64 {
        return Err(error::NOT_POSITIVE);
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for index in 0..count {
        key.clear();
        key.extend_from_slice(prefix);
        // A vector takes whatever is written.
        let _ = write!(key, ":{index}");
        value.clear();
        let _ = write!(value, "value:{index}");
        if size > 0 {
            value.resize(size as usize, 0);
        }
        context.put_if_absent(&key, NewValue::Bytes(&value))?;
    }
    Ok(())
}

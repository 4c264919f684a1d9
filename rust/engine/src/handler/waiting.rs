//! Pops that wait, as lists and sorted sets have them: their timeouts, and what they answer when nothing came.

use super::{Context, Effect};
use crate::error::{self, Error};
use crate::number;
use crate::resp::Reply;
use crate::values::Kind;

/// How long a command waits, in microseconds; `None`: forever.
pub type Timeout = Option<u64>;

/// Reads a timeout in seconds: 0 is forever, and what is not 0 is at least a millisecond.
///
/// # Errors
/// It is no number, negative, or longer than a clock can count.
pub fn read_timeout(word: &[u8]) -> Result<Timeout, Error> {
    let seconds = number::parse_f64(word).ok_or(error::TIMEOUT_NOT_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 / 1000.0 {
        return Err(error::TIMEOUT_RANGE);
    }
    if seconds < 0.0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    Ok((ms > 0.0).then_some(ms as u64 * 1000))
}

/// Reads a timeout in milliseconds, of which 0 is forever.
///
/// # Errors
/// It is no number, negative, or would end when no clock can tell.
pub fn read_timeout_ms(word: &[u8], now_ms: i64) -> Result<Timeout, Error> {
    let ms = number::parse_i64(word).ok_or(error::TIMEOUT_NOT_INTEGER)?;
    let ms = u64::try_from(ms).map_err(|_| error::TIMEOUT_NEGATIVE)?;
    if ms > (i64::MAX - now_ms.max(0)).unsigned_abs() {
        return Err(error::TIMEOUT_RANGE);
    }
    Ok((ms > 0).then_some(ms.saturating_mul(1000)))
}

/// Waits for a value of this kind, or replies that there is none: with no array when the time is over or if `is_array`,
/// otherwise with no value.
pub fn wait(context: &Context<'_, '_>, kind: Kind, timeout: Timeout, is_array: bool, reply: &mut Reply<'_>) -> Effect {
    if context.can_wait() {
        let deadline_us = timeout.map(|us| context.store.clock.monotonic_us().saturating_add(us));
        return Effect::wait_for(kind, deadline_us);
    }
    if is_array || context.has_timed_out() {
        reply.null_array();
    } else {
        reply.null();
    }
    Effect::none()
}

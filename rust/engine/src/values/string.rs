//! Strings: integers, short bytes, long bytes.

use std::borrow::Cow;

use rkv_collections::bytes::Shared;

use super::{NewValue, ValueRef};
use crate::number::{Decimal, parse_i64};

/// The longest decimal form of a 64-bit integer.
const DECIMAL_BYTES_MAX: usize = 20;

/// The stored form of bytes that a client sent: an integer if they are one in canonical form.
#[inline]
pub fn encode(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= DECIMAL_BYTES_MAX
        && let Some(number) = parse_i64(bytes)
    {
        return NewValue::Integer(number);
    }
    NewValue::Bytes(bytes)
}

/// The bytes of a value.
pub fn bytes<'a>(value: &ValueRef<'a>) -> Cow<'a, [u8]> {
    match value {
        ValueRef::Integer(number) => Cow::Owned(Decimal::from(*number).as_bytes().to_vec()),
        ValueRef::Bytes(bytes) => Cow::Borrowed(bytes),
        ValueRef::Shared(shared) => Cow::Borrowed(shared),
    }
}

/// The length of a value's bytes.
pub fn len(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Integer(number) => Decimal::from(*number).as_bytes().len(),
        ValueRef::Bytes(bytes) => bytes.len(),
        ValueRef::Shared(shared) => shared.len(),
    }
}

/// The value as an integer, if it is one in canonical form.
pub fn integer(value: &ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(*number),
        ValueRef::Bytes(bytes) => parse_i64(bytes),
        ValueRef::Shared(_) => None,
    }
}

/// A value that outlives its lock.
pub fn to_owned(value: &ValueRef<'_>) -> NewValue<'static> {
    match value {
        ValueRef::Integer(number) => NewValue::Integer(*number),
        ValueRef::Bytes(bytes) => NewValue::Shared(Shared::from(*bytes)),
        ValueRef::Shared(shared) => NewValue::Shared((*shared).clone()),
    }
}

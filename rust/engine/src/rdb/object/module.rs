//! What modules wrote: known by name, read over or refused.

use std::borrow::Cow;

use crate::rdb::error::Fault;
use crate::rdb::format::{kind, module_name};
use crate::rdb::input::Input;

const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;

/// Whether a type is that of a module's values, which can be read over.
pub const fn is_value(kind: u8) -> bool {
    kind == kind::MODULE_2
}

/// Reads over a value, and gives the name of its module.
///
/// # Errors
/// It is not valid.
pub fn skip_value(input: &mut Input<'_>, _: u8) -> Result<String, Fault> {
    let name = module_name(input.number()?);
    skip_parts(input)?;
    Ok(name)
}

/// Reads over what a module keeps besides values, and gives the module's name.
///
/// # Errors
/// It is not valid.
pub fn skip_aux(input: &mut Input<'_>) -> Result<String, Fault> {
    let name = module_name(input.number()?);
    // When it is to be read: before the keys or behind them.
    if input.number()? != UNSIGNED {
        return Err(Fault::Invalid("data of a module does not say when it belongs"));
    }
    input.number()?;
    skip_parts(input)?;
    Ok(name)
}

fn skip_parts(input: &mut Input<'_>) -> Result<(), Fault> {
    loop {
        match input.number()? {
            END => return Ok(()),
            SIGNED | UNSIGNED => _ = input.number()?,
            FLOAT => _ = input.array::<4>()?,
            DOUBLE => _ = input.array::<8>()?,
            STRING => _ = input.text()?,
            _ => return Err(Fault::Invalid("a part of a module's data is of no known type")),
        }
    }
}

/// Why a value of a module is not kept.
pub fn refuse(input: &mut Input<'_>) -> Fault {
    match input.number() {
        Ok(id) => Fault::Unsupported(Cow::Owned(format!("a value of the module {}", module_name(id)))),
        Err(fault) => fault,
    }
}

/// The same for values as release candidates of Redis 4.0 wrote them.
pub fn refuse_old(input: &mut Input<'_>) -> Fault {
    refuse(input)
}

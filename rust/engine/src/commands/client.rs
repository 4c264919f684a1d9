//! Other clients.

use crate::handler::Row;

pub(super) const ROWS: &[Row] = &[];

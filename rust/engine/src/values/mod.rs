//! Operations on one value: no keys, no clients, no replies, no clock.

pub mod bits;
mod collection;
pub mod digest;
pub mod elements;
mod gauge;
pub mod geo;
pub mod hash;
pub mod lcs;
pub mod list;
mod rules;
pub mod set;
pub mod sketch;
pub mod stream;
pub mod string;
mod value;
pub mod zset;

pub use collection::{Cell, Collection, Element, Large, Packing, Piece, Reading, Shape, to_store};
pub use elements::Named;
pub use gauge::{Gauge, Share};
pub use hash::Hash;
pub use list::List;
pub use rules::Rules;
pub use set::Set;
pub use stream::Stream;
pub use value::{Kind, NewValue, ValueRef};
pub use zset::Zset;

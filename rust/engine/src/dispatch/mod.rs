//! The one door: every command of every client passes here, whether it came by socket, by a call in this process, from
//! MULTI, or from a log.
//!
//! resolve → admission → plan → lock → handler → effect (still locked: journal, watches, waiters) → unlock → wakes.
//!
//! Lock rule: [`plan`] names shards, [`run`] locks them ascending, does everything that must be one step with the
//! command, and unlocks before it wakes anybody.

mod admission;
mod ahead;
mod elements;
mod errand;
mod evict;
mod heard;
mod plan;
mod record;
mod replay;
mod run;
mod transaction;
mod waiting;
mod window;

pub use admission::{Admission, admit, is_authenticated, may_write, refuse, wait_for_snapshot, waits_for_snapshot};
pub use evict::{make_room, pay_debt};
pub use record::{Cost, elapsed_ns, record, record_window, show_waiting};
pub use replay::Replay;
pub use run::{Call, Mode, execute, try_execute};
pub use waiting::{Blocked, time_out};
pub use window::{WINDOW_BYTES_MAX, WINDOW_CALLS_MAX, execute_window, fits_window};

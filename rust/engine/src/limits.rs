//! How much of anything a client may send, keep or cause: every bound on input that is not an option of the user's.
//!
//! Lengths read from input are held against these before anything is allocated for them.

/// Most arguments of one command before the client has authenticated: AUTH and HELLO need fewer.
pub const UNAUTHENTICATED_ARGUMENTS_MAX: usize = 10;
/// Most bytes of one argument before authentication: room for a long password or token.
pub const UNAUTHENTICATED_ARGUMENT_BYTES_MAX: usize = 16 * KIB;
/// Most unread bytes kept of a client before authentication, so that strangers cannot fill memory.
pub const UNAUTHENTICATED_QUERY_BYTES_MAX: usize = 64 * KIB;
/// Most reply bytes kept for a client before authentication, so that one that never reads costs little.
pub const UNAUTHENTICATED_OUTPUT_BYTES_MAX: usize = 16 * KIB;

/// Default of `proto-max-bulk-len`: most bytes of one argument. Redis's own, and the largest string value.
pub const BULK_BYTES_MAX_DEFAULT: usize = 512 * MIB;
/// Most arguments of one command: Redis's own bound on a multibulk length.
pub const ARGUMENTS_MAX: usize = 1024 * 1024;
/// Most bytes of one inline command: Redis's own, enough for a person typing.
pub const INLINE_BYTES_MAX: usize = 64 * KIB;
/// Deepest nesting of arrays, maps and sets that is read or written: recursion stays on a small stack.
pub const NESTING_LEVELS_MAX: usize = 128;

/// Most elements that one command draws with repetition, so that no small request causes a reply without end.
pub const REPEATED_ELEMENTS_MAX: usize = 16 * MIB;

/// Bytes of the longest argument in a file of commands: what any client could ever have sent.
pub const LOG_BULK_BYTES_MAX: u64 = 64 << 30;
/// Arguments of the longest command in a file of commands.
pub const LOG_WORDS_MAX: u64 = 1 << 31;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_gets_less_of_everything() {
        const {
            assert!(UNAUTHENTICATED_ARGUMENTS_MAX < ARGUMENTS_MAX);
            assert!(UNAUTHENTICATED_ARGUMENT_BYTES_MAX < BULK_BYTES_MAX_DEFAULT);
            assert!(UNAUTHENTICATED_ARGUMENT_BYTES_MAX < UNAUTHENTICATED_QUERY_BYTES_MAX);
        }
    }
}

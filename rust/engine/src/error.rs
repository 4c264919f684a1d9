//! Errors that clients see: Redis's exact texts, one list.

use std::borrow::Cow;

/// An error reply, without the leading `-`: a code word, a space, a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Cow<'static, str>);

impl Error {
    /// An error with a fixed text.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// An error whose text depends on the request. Line breaks become spaces, as they would end the reply.
    pub fn text(text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.contains(['\r', '\n']) {
            text = text.replace(['\r', '\n'], " ");
        }
        Self(Cow::Owned(text))
    }

    /// The reply's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code word: `ERR`, `WRONGTYPE` and so on.
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or("ERR")
    }

    /// Wrong number of words for a command (`get`, or `client|id` of a subcommand).
    pub fn arity(name: &str) -> Self {
        Self::text(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// The log cannot be written, and why.
    pub fn log_failed(cause: &str) -> Self {
        Self::text(format!("MISCONF Errors writing to the AOF file: {cause}"))
    }

    /// EXEC was refused, and why.
    pub fn exec_refused(cause: &Self) -> Self {
        let cause = cause.as_str();
        Self::text(format!(
            "EXECABORT Transaction discarded because of: {}",
            cause.strip_prefix("ERR ").unwrap_or(cause)
        ))
    }

    /// EXEC runs a queued command that the user's rules allowed then and forbid now.
    pub fn rules_changed(reason: &str) -> Self {
        Self::text(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
             is no longer allowed for the following reason: {reason}"
        ))
    }

    /// Not while a client listens by RESP2.
    pub fn only_listens(name: &str) -> Self {
        Self::text(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context"
        ))
    }

    /// A time to live out of range.
    pub fn invalid_expire(name: &str) -> Self {
        Self::text(format!("ERR invalid expire time in '{name}' command"))
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Error = Error::fixed($text);)*
    };
}

fixed! {
    /// No id of an entry.
    INVALID_STREAM_ID = "ERR Invalid stream ID specified as stream command argument";
    /// An interval that begins behind the last id that there can be.
    INVALID_STREAM_START = "ERR invalid start ID for the interval";
    /// An interval that ends before the first id that there can be.
    INVALID_STREAM_END = "ERR invalid end ID for the interval";
    /// XADD with an id that is not behind all others.
    STREAM_ID_TOO_SMALL = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    /// XADD with the id before all others.
    STREAM_ID_ZERO = "ERR The ID specified in XADD must be greater than 0-0";
    /// XADD to a stream that has the last id that there can be.
    STREAM_EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more items";
    /// XADD of too many bytes.
    STREAM_ENTRY_TOO_LARGE = "ERR Elements are too large to be stored";
    /// LIMIT without what it limits.
    TRIM_LIMIT_ALONE = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    /// LIMIT of a trim that is exact.
    TRIM_LIMIT_EXACT = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    /// LIMIT below 0.
    TRIM_LIMIT_NEGATIVE = "ERR The LIMIT argument must be >= 0.";
    /// MAXLEN below 0.
    TRIM_LENGTH_NEGATIVE = "ERR The MAXLEN argument must be >= 0.";
    /// Both ways to say what stays.
    TRIM_TWICE = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    /// XTRIM that does not say what stays.
    TRIM_WITHOUT_STRATEGY = "ERR syntax error, XTRIM must be called with a trimming strategy";
    /// XSETID with a count below 0.
    ENTRIES_ADDED_NEGATIVE = "ERR entries_added must be positive";
    /// XSETID with two ids that do not fit together.
    SETID_BELOW_GIVEN_DELETED =
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
    /// XSETID before what was deleted.
    SETID_BELOW_DELETED = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    /// XSETID before the last entry.
    SETID_BELOW_TOP = "ERR The ID specified in XSETID is smaller than the target stream top item";
    /// XSETID with fewer entries than there are.
    SETID_ADDED_BELOW_LENGTH =
        "ERR The entries_added specified in XSETID is smaller than the target stream length";
    /// XGROUP of a key that is not there.
    XGROUP_NO_KEY =
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    /// XGROUP CREATE of a group that is there.
    BUSY_GROUP = "BUSYGROUP Consumer Group name already exists";
    /// A count of entries below -1.
    ENTRIES_READ_NEGATIVE = "ERR value for ENTRIESREAD must be positive or -1";
    /// XREAD with an odd number of words for keys and ids.
    UNBALANCED_XREAD =
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
    /// XREADGROUP with an odd number of words for keys and ids.
    UNBALANCED_XREADGROUP =
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.";
    /// XREAD with an option of XREADGROUP.
    XREAD_GROUP = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
    /// XREAD with an option of XREADGROUP.
    XREAD_NOACK = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";
    /// XREAD with an id that means something to groups.
    XREAD_NEW =
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
    /// XREADGROUP that does not say for whom.
    XREADGROUP_WITHOUT_GROUP = "ERR Missing GROUP option for XREADGROUP";
    /// XREADGROUP behind the last entry.
    XREADGROUP_LAST =
        "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.";
    /// XREADGROUP from the last entry.
    XREADGROUP_END =
        "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.";
    /// A timeout in milliseconds that is none.
    TIMEOUT_NOT_INTEGER = "ERR timeout is not an integer or out of range";
    /// WAITAOF for more than the one local log.
    NUMLOCAL_RANGE = "ERR value is out of range, value must between 0 and 1";
    /// WAITAOF for a log that there is not.
    WAITAOF_WITHOUT_LOG = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    /// XCLAIM with a time that is none.
    XCLAIM_IDLE_MIN = "ERR Invalid min-idle-time argument for XCLAIM";
    /// XCLAIM with a time that is none.
    XCLAIM_IDLE = "ERR Invalid IDLE option argument for XCLAIM";
    /// XCLAIM with a time that is none.
    XCLAIM_TIME = "ERR Invalid TIME option argument for XCLAIM";
    /// XCLAIM with a count that is none.
    XCLAIM_RETRYCOUNT = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
    /// XAUTOCLAIM with a time that is none.
    XAUTOCLAIM_IDLE_MIN = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
    /// XAUTOCLAIM with a count that is none.
    CLAIM_COUNT = "ERR COUNT must be > 0";
    /// Invalidations for a call, which has one reply.
    CANNOT_TRACK = "ERR CLIENT TRACKING isn't allowed for a DENY BLOCKING client";
    /// CLIENT TRACKING with REDIRECT twice.
    TWO_REDIRECTS = "ERR A client can only redirect to a single other client";
    /// CLIENT TRACKING REDIRECT to nobody.
    NO_REDIRECT_CLIENT = "ERR The client ID you want redirect to does not exist";
    /// CLIENT TRACKING with PREFIX alone.
    PREFIX_WITHOUT_BCAST = "ERR PREFIX option requires BCAST mode to be enabled";
    /// CLIENT TRACKING with another mode than before.
    BCAST_SWITCH = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
    /// CLIENT TRACKING with options for keys that were read.
    OPT_WITH_BCAST = "ERR OPTIN and OPTOUT are not compatible with BCAST";
    /// CLIENT TRACKING with opposite options.
    OPTIN_AND_OPTOUT = "ERR You can't specify both OPTIN mode and OPTOUT mode";
    /// CLIENT TRACKING with the opposite of what was.
    OPT_SWITCH = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";
    /// CLIENT CACHING of a client that does not cache.
    CACHING_WITHOUT_TRACKING = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
    /// CLIENT CACHING YES of a client that did not ask for that.
    CACHING_YES_WITHOUT_OPTIN = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    /// CLIENT CACHING NO of a client that did not ask for that.
    CACHING_NO_WITHOUT_OPTOUT = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    /// A subscription in a call, which has one reply.
    CANNOT_LISTEN = "ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client";
    /// An option or argument that the syntax does not allow.
    SYNTAX = "ERR syntax error";
    /// A key holds another type.
    WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
    /// An argument or value is no 64-bit integer.
    NOT_INTEGER = "ERR value is not an integer or out of range";
    /// An argument or value is no float.
    NOT_FLOAT = "ERR value is not a valid float";
    /// A source key is missing.
    NO_SUCH_KEY = "ERR no such key";
    /// INCR and its kin would leave 64 bits.
    INCR_OVERFLOW = "ERR increment or decrement would overflow";
    /// DECRBY by a number that has no negative.
    DECR_OVERFLOW = "ERR decrement would overflow";
    /// INCRBYFLOAT would leave the numbers.
    INCR_NAN = "ERR increment would produce NaN or Infinity";
    /// An index or count is out of range.
    OUT_OF_RANGE = "ERR value is out of range";
    /// A count must be positive.
    NOT_POSITIVE = "ERR value is out of range, must be positive";
    /// An index of a list that it does not have.
    INDEX_RANGE = "ERR index out of range";
    /// An element that no list can hold.
    ELEMENT_TOO_LARGE = "ERR Element too large";
    /// LPOS with a rank of 0.
    RANK_ZERO = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list";
    /// LPOS with a negative COUNT.
    COUNT_NEGATIVE = "ERR COUNT can't be negative";
    /// LPOS with a negative MAXLEN.
    MAXLEN_NEGATIVE = "ERR MAXLEN can't be negative";
    /// A count of keys that is not positive.
    NUMKEYS_NOT_POSITIVE = "ERR numkeys should be greater than 0";
    /// A count of elements that is not positive.
    COUNT_NOT_POSITIVE = "ERR count should be greater than 0";
    /// A timeout that is no number.
    TIMEOUT_NOT_FLOAT = "ERR timeout is not a float or out of range";
    /// A timeout below zero.
    TIMEOUT_NEGATIVE = "ERR timeout is negative";
    /// A timeout beyond the end of time.
    TIMEOUT_RANGE = "ERR timeout is out of range";
    /// DEBUG QUICKLIST-PACKED-THRESHOLD with something else.
    PACKED_THRESHOLD = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    /// RESTORE to a key that is there.
    BUSY_KEY = "BUSYKEY Target key name already exists.";
    /// RESTORE with a negative time to live.
    TTL_NEGATIVE = "ERR Invalid TTL value, must be >= 0";
    /// RESTORE with a negative IDLETIME.
    IDLETIME_NEGATIVE = "ERR Invalid IDLETIME value, must be >= 0";
    /// RESTORE with a FREQ that is no counter.
    FREQ_RANGE = "ERR Invalid FREQ value, must be >= 0 and <= 255";
    /// RESTORE of what DUMP did not give, or a newer one.
    DUMP_PAYLOAD = "ERR DUMP payload version or checksum are wrong";
    /// RESTORE of what is no value.
    BAD_DATA_FORMAT = "ERR Bad data format";
    /// FUNCTION FLUSH with another word.
    FUNCTION_FLUSH_OPTION = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option";
    /// FUNCTION LIST LIBRARYNAME without a name.
    LIBRARY_NAME_MISSING = "ERR library name argument was not given";
    /// CLIENT UNBLOCK got neither of its words.
    UNBLOCK_REASON = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
    /// CLIENT UNBLOCK ended a wait.
    UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    /// An offset is out of range.
    OFFSET_RANGE = "ERR offset is out of range";
    /// The offset of a bit is no number, or beyond what a string may have.
    BIT_OFFSET = "ERR bit offset is not an integer or out of range";
    /// A bit is 0 or 1.
    BIT_VALUE = "ERR bit is not an integer or out of range";
    /// BITPOS looks for a 0 or a 1.
    BITPOS_BIT = "ERR The bit argument must be 1 or 0.";
    /// BITOP NOT with several sources.
    BITOP_NOT = "ERR BITOP NOT must be called with a single source key.";
    /// The type of a field of BITFIELD.
    BITFIELD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    /// BITFIELD OVERFLOW with another word.
    BITFIELD_OVERFLOW = "ERR Invalid OVERFLOW type specified";
    /// `BITFIELD_RO` with an operation that writes.
    BITFIELD_RO = "ERR BITFIELD_RO only supports the GET subcommand";
    /// A string is no `HyperLogLog`.
    NO_SKETCH = "WRONGTYPE Key is not a valid HyperLogLog string value.";
    /// A `HyperLogLog` contradicts itself.
    SKETCH_CORRUPTED = "INVALIDOBJ Corrupted HLL object detected";
    /// PFDEBUG of a key that is not there.
    SKETCH_ABSENT = "ERR The specified key does not exist";
    /// PFDEBUG DECODE of a dense `HyperLogLog`.
    SKETCH_NOT_SPARSE = "ERR HLL encoding is not sparse";
    /// A unit of length that Redis does not know.
    GEO_UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI";
    /// A radius is no number.
    GEO_RADIUS = "ERR need numeric radius";
    /// A radius below zero.
    GEO_RADIUS_NEGATIVE = "ERR radius cannot be negative";
    /// A width is no number.
    GEO_WIDTH = "ERR need numeric width";
    /// A height is no number.
    GEO_HEIGHT = "ERR need numeric height";
    /// A width or height below zero.
    GEO_BOX_NEGATIVE = "ERR height or width cannot be negative";
    /// The number of corners of a polygon is no number.
    GEO_VERTICES = "ERR invalid number of vertices";
    /// A polygon has too few corners, or fewer than it says.
    GEO_VERTICES_FEW = "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    /// COUNT that is not positive.
    GEO_COUNT = "ERR COUNT must be > 0";
    /// ANY without COUNT.
    GEO_ANY = "ERR the ANY argument requires COUNT argument";
    /// A stored search cannot tell more than members.
    GEORADIUS_STORE_WITH = "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    /// A stored search cannot tell more than members.
    GEOSEARCHSTORE_WITH = "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    /// A string would be longer than `proto-max-bulk-len`.
    STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    /// A count of keys is no number or no number of keys.
    NUMKEYS_RANGE = "ERR invalid numkeys value or out of range";
    /// SORT met something that is no number.
    SORT_NOT_A_NUMBER = "ERR One or more scores can't be converted into double";
    /// More keys were announced than there are words.
    NUMKEYS_BEYOND_ARGS = "ERR Number of keys can't be greater than number of args";
    /// A LIMIT below zero, or no number.
    NEGATIVE_LIMIT = "ERR LIMIT can't be negative";
    /// A number that has no opposite.
    LONG_RANGE = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    /// ZADD with two conditions that exclude each other.
    ZADD_NX_XX = "ERR XX and NX options at the same time are not compatible";
    /// ZADD with other conditions that exclude each other.
    ZADD_GT_LT_NX = "ERR GT, LT, and/or NX options at the same time are not compatible";
    /// ZADD INCR with several members.
    ZADD_INCR_ONE = "ERR INCR option supports a single increment-element pair";
    /// Infinities of both signs were added.
    SCORE_NAN = "ERR resulting score is not a number (NaN)";
    /// A bound of scores is no number.
    SCORE_BOUND = "ERR min or max is not a float";
    /// A bound of names does not begin as it must.
    NAME_BOUND = "ERR min or max not valid string range item";
    /// LIMIT of a range of ranks.
    ZRANGE_LIMIT = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    /// Scores of a range of names.
    ZRANGE_LEX_SCORES = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    /// A weight is no number.
    WEIGHT_NOT_FLOAT = "ERR weight value is not a float";
    /// LCS got a key of another type.
    LCS_WRONG_TYPE = "ERR The specified keys must contain string values";
    /// LCS was asked for two forms of its answer.
    LCS_LEN_AND_IDX = "ERR If you want both the length and indexes, please just use IDX.";
    /// LCS would need a table larger than `proto-max-bulk-len`.
    LCS_TOO_LARGE = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    /// LCS did not get its memory.
    LCS_NO_MEMORY = "ERR Insufficient memory, failed allocating transient memory for LCS";
    /// A database number does not exist.
    DB_INDEX_RANGE = "ERR DB index is out of range";
    /// A database number is no number.
    INVALID_DB_INDEX = "ERR invalid DB index";
    /// SCAN got a cursor that is no number.
    INVALID_CURSOR = "ERR invalid cursor";
    /// NOVALUES for what has no values.
    NOVALUES_OUTSIDE_HSCAN = "ERR NOVALUES option can only be used in HSCAN";
    /// NOSCORES for what has no scores.
    NOSCORES_OUTSIDE_ZSCAN = "ERR NOSCORES option can only be used in ZSCAN";
    /// The store was poisoned by a bug; nothing more is done with it.
    POISONED = "ERR the store stopped after an internal error; its data can no longer be trusted";
    /// DEBUG is switched off.
    DEBUG_NOT_ALLOWED = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
    /// MIGRATE is switched off.
    MIGRATE_NOT_ALLOWED = "ERR MIGRATE command not allowed. If the enable-migrate-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
    /// MIGRATE with a key and with KEYS.
    MIGRATE_KEY_AND_KEYS = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
    /// MIGRATE's target cannot be reached.
    MIGRATE_CONNECTING = "IOERR error or timeout connecting to the client";
    /// MIGRATE's target does not take what it is sent, or a key was changed faster than it could be sent.
    MIGRATE_WRITING = "IOERR error or timeout writing to target instance";
    /// MIGRATE's target does not answer.
    MIGRATE_READING = "IOERR error or timeout reading to target instance";
    /// MIGRATE where its client cannot wait.
    MIGRATE_MUST_WAIT = "ERR MIGRATE waits for another server, which is not possible here";
    /// A command that needs another server, in a store that knows no network.
    NO_NETWORK = "ERR this store cannot connect to other servers";
    /// Too many commands work outside of the store.
    TOO_MANY_ERRANDS = "ERR too many commands wait for other servers";
    /// What a command does outside of the store was given up.
    ERRAND_ENDED = "IOERR the command was given up; what the target has not acknowledged is still here";
    /// MULTI inside MULTI. The transaction goes on.
    NESTED_MULTI = "ERR MULTI calls can not be nested";
    /// WATCH inside MULTI. The transaction goes on.
    WATCH_INSIDE_MULTI = "ERR WATCH inside MULTI is not allowed";
    /// A command that MULTI cannot queue.
    NOT_IN_TRANSACTION = "ERR Command not allowed inside a transaction";
    /// EXEC without MULTI.
    EXEC_WITHOUT_MULTI = "ERR EXEC without MULTI";
    /// DISCARD without MULTI.
    DISCARD_WITHOUT_MULTI = "ERR DISCARD without MULTI";
    /// A key that the user's rules do not allow.
    NO_KEY_PERMISSION = "NOPERM No permissions to access a key";
    /// A channel that the user's rules do not allow.
    NO_CHANNEL_PERMISSION = "NOPERM No permissions to access a channel";
    /// A database that the user's rules do not allow.
    NO_DATABASE_PERMISSION = "NOPERM No permissions to access database";
    /// SORT BY by a user who may not read every key.
    SORT_BY_DENIED = "ERR BY option of SORT denied due to insufficient ACL permissions.";
    /// SORT GET by a user who may not read every key.
    SORT_GET_DENIED = "ERR GET option of SORT denied due to insufficient ACL permissions.";
    /// ACL LOAD or SAVE without a file.
    NO_ACL_FILE = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.";
    /// AUTH is needed first.
    NO_AUTH = "NOAUTH Authentication required.";
    /// Wrong user or password.
    WRONG_PASS = "WRONGPASS invalid username-password pair or user is disabled.";
    /// AUTH with a password alone while there is none to compare it with.
    AUTH_WITHOUT_PASSWORD = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
    /// HELLO from a client that is not authenticated, without AUTH.
    HELLO_WITHOUT_AUTH = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
    /// HELLO asked for a protocol that nobody speaks.
    NO_PROTOCOL = "NOPROTO unsupported protocol version";
    /// HELLO asked for a protocol that is no number.
    PROTOCOL_NOT_INTEGER = "ERR Protocol version is not an integer or out of range";
    /// A client's name has characters that would garble CLIENT LIST.
    INVALID_CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
    /// No client has that address.
    NO_SUCH_CLIENT = "ERR No such client";
    /// Clients count from 1.
    INVALID_CLIENT_ID = "ERR client-id should be greater than 0";
    /// The data is being loaded.
    LOADING = "LOADING Redis is loading the dataset in memory";
    /// BGREWRITEAOF while one is under way.
    REWRITE_IN_PROGRESS = "ERR Background append only file rewriting already in progress";
    /// BGREWRITEAOF did not begin.
    REWRITE_FAILED = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.";
    /// The last snapshot failed.
    SNAPSHOT_FAILED = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
    /// The store was opened to be read only.
    READ_ONLY = "READONLY this store was opened read-only";
    /// SAVE or BGSAVE while a snapshot is under way.
    SAVE_IN_PROGRESS = "ERR Background save already in progress";
    /// BGSAVE while the log is rewritten.
    SAVE_DURING_REWRITE = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.";
    /// BGSAVE CANCEL with nothing to cancel.
    NO_SAVE_IN_PROGRESS = "ERR Background saving is currently not in progress or scheduled";
    /// A snapshot of a store that has no directory.
    NO_DIRECTORY = "ERR this store has no directory to save to";
    /// A snapshot failed.
    SAVE_FAILED = "ERR";
    /// DEBUG RELOAD could not read the snapshot.
    RELOAD_FAILED = "ERR Error trying to load the RDB dump, check server logs.";
    /// DEBUG LOADAOF could not read the log.
    LOADAOF_FAILED = "ERR Error trying to load the AOF files, check server logs.";
    /// DEBUG LOADAOF without a log.
    NO_LOG = "ERR there is no append only file to load";
    /// DEBUG LOADAOF as a queued command.
    LOADAOF_IN_TRANSACTION = "ERR DEBUG LOADAOF is not allowed in transactions";
    /// DEBUG KILL-CHILD while nothing is under way.
    NOTHING_TO_KILL = "ERR nothing is saved or rewritten in the background";
    /// DEBUG RELOAD with another word.
    RELOAD_OPTIONS = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
    /// The command would exceed maxmemory.
    OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
    /// EXEC after a queueing error.
    EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors.";
    /// COPY or MOVE onto itself.
    SAME_OBJECT = "ERR source and destination objects are the same";
    /// A number must fit 32 bits.
    INT_RANGE = "ERR value is out of range, value must between -2147483648 and 2147483647";
    /// EXPIRE with NX and another condition.
    EXPIRE_NX = "ERR NX and XX, GT or LT options at the same time are not compatible";
    /// EXPIRE with GT and LT.
    EXPIRE_GT_LT = "ERR GT and LT options at the same time are not compatible";
    /// SWAPDB's first database.
    FIRST_DB_INDEX = "ERR invalid first DB index";
    /// SWAPDB's second database.
    SECOND_DB_INDEX = "ERR invalid second DB index";
    /// OBJECT IDLETIME while uses are counted.
    LFU_SELECTED = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    /// OBJECT FREQ while uses are not counted.
    LFU_NOT_SELECTED = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    /// The value of a field is no 64-bit integer.
    HASH_NOT_INTEGER = "ERR hash value is not an integer";
    /// The value of a field is no float.
    HASH_NOT_FLOAT = "ERR hash value is not a float";
    /// HINCRBYFLOAT by something infinite.
    NAN_OR_INFINITY = "ERR value is NaN or Infinity";
    /// The number of fields is not the number of fields given.
    NUMFIELDS = "ERR numfields should be greater than 0 and match the provided number of fields";
    /// A key that the plan does not name.
    UNDECLARED_KEY = "ERR key was not declared to the lock plan";
}

//! Numbers and names of the format.

/// The version that is written unless the data needs a newer one: Redis 7.0 and all after it read it.
pub const VERSION: u32 = 10;
/// The newest version of Redis's own line that is read.
pub const VERSION_REDIS_MAX: u32 = 12;
/// The version of Valkey 9, which left Redis's numbers behind.
pub const VERSION_VALKEY: u32 = 80;

/// Whether files and payloads of a version are read.
pub const fn is_known(version: u32) -> bool {
    matches!(version, 1..=VERSION_REDIS_MAX | VERSION_VALKEY)
}

/// The first nine bytes of a file.
pub fn header(version: u32) -> [u8; 9] {
    let digit = |place: u32| b'0' + (version / place % 10) as u8;
    if version >= VERSION_VALKEY {
        return [b'V', b'A', b'L', b'K', b'E', b'Y', digit(100), digit(10), digit(1)];
    }
    [b'R', b'E', b'D', b'I', b'S', digit(1000), digit(100), digit(10), digit(1)]
}

/// What a file says about itself that ends with a checksum: a zero there means none, so that zeros over the end of a file would
/// make every byte before them believed.
pub const SUMMED: (&[u8], &[u8]) = (b"checksum", b"crc64");

/// Numbers of operations; all others are types of values.
pub mod op {
    /// A slot import of Valkey that was under way.
    pub const SLOT_IMPORT: u8 = 243;
    /// How many keys a slot has.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions.
    pub const FUNCTION: u8 = 245;
    /// The same in Redis 7.0's release candidates.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// What a module keeps besides its values.
    pub const MODULE_AUX: u8 = 247;
    /// How long the next key was not accessed, in seconds.
    pub const IDLE: u8 = 248;
    /// The access counter of the next key.
    pub const FREQ: u8 = 249;
    /// A name and a value about the file.
    pub const AUX: u8 = 250;
    /// How many keys are about to come.
    pub const RESIZEDB: u8 = 251;
    /// The deadline of the next key in Unix milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// The same in Unix seconds.
    pub const EXPIRETIME: u8 = 253;
    /// The database of the keys that follow.
    pub const SELECTDB: u8 = 254;
    /// The end.
    pub const EOF: u8 = 255;
}

/// Numbers of types of values.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// Elements of a list.
    pub const LIST: u8 = 1;
    /// Members of a set.
    pub const SET: u8 = 2;
    /// Members of a sorted set, each before the text of its score.
    pub const ZSET: u8 = 3;
    /// Fields of a hash, each before its value.
    pub const HASH: u8 = 4;
    /// Members of a sorted set, each before its score.
    pub const ZSET_2: u8 = 5;
    /// A value of a module of Redis 4.0's release candidates.
    pub const MODULE: u8 = 6;
    /// A value of a module.
    pub const MODULE_2: u8 = 7;
    /// A hash as zipmap.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A list as ziplist.
    pub const LIST_ZIPLIST: u8 = 10;
    /// A set of integers.
    pub const SET_INTSET: u8 = 11;
    /// A sorted set as ziplist.
    pub const ZSET_ZIPLIST: u8 = 12;
    /// A hash as ziplist.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A list of ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream.
    pub const STREAM: u8 = 15;
    /// A hash as listpack.
    pub const HASH_LISTPACK: u8 = 16;
    /// A sorted set as listpack.
    pub const ZSET_LISTPACK: u8 = 17;
    /// A list of listpacks and large elements.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream with its counters.
    pub const STREAM_2: u8 = 19;
    /// A set as listpack.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream with the times at which consumers were active.
    pub const STREAM_3: u8 = 21;
    /// In Valkey: fields, values, deadlines. In Redis 7.4's release candidates: deadlines, fields, values.
    pub const HASH_2: u8 = 22;
    /// A listpack of fields, values and deadlines in Redis 7.4's release candidates.
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// The earliest deadline; deadlines relative to it, fields, values.
    pub const HASH_METADATA: u8 = 24;
    /// The earliest deadline, and a listpack of fields, values and deadlines.
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// What an element of a quicklist is.
pub mod node {
    /// One element.
    pub const PLAIN: u64 = 1;
    /// A listpack.
    pub const PACKED: u64 = 2;
}

/// The name of a module from its number: nine characters of six bits each, and ten bits of version.
pub fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = (0..9).rev().map(|place| (id >> (10 + 6 * place)) as usize & 63);
    letters.filter_map(|letter| CHARACTERS.get(letter)).map(|byte| char::from(*byte)).collect()
}

/// How a value of this type lies in a file, in the words of Redis's log.
pub const fn encoding_name(kind: u8) -> &'static str {
    match kind {
        kind::STRING => "String",
        kind::LIST => "List",
        kind::SET => "Set",
        kind::ZSET | kind::ZSET_2 => "Zset",
        kind::HASH | kind::HASH_2 | kind::HASH_METADATA => "Hash",
        kind::HASH_ZIPMAP => "Zipmap",
        kind::LIST_ZIPLIST | kind::LIST_QUICKLIST => "Ziplist",
        kind::SET_INTSET => "Intset",
        kind::ZSET_ZIPLIST => "Zset ziplist",
        kind::HASH_ZIPLIST => "Hash ziplist",
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => "Stream listpack",
        kind::HASH_LISTPACK | kind::HASH_LISTPACK_EX => "Hash listpack",
        kind::ZSET_LISTPACK => "Zset listpack",
        kind::SET_LISTPACK => "Set listpack",
        kind::LIST_QUICKLIST_2 => "Listpack",
        _ => "Value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_nine_bytes() {
        assert_eq!(&header(10), b"REDIS0010");
        assert_eq!(&header(80), b"VALKEY080");
    }

    #[test]
    fn modules_have_names() {
        // "ReJSON-RL", version 3, as its documentation of the format has it.
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let place = |letter| letters.iter().position(|other| *other == letter).unwrap_or_default() as u64;
        let id = b"ReJSON-RL".iter().fold(0, |id, letter| id << 6 | place(*letter)) << 10 | 3;
        assert_eq!(module_name(id), "ReJSON-RL");
    }
}

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::handler::{Context, Effect, Group};
use crate::resp::Reply;

fn nothing(_: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Effect, Error> {
    Ok(Effect::none())
}

const RO: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const OW: KeyFlags = KeyFlags::OW.with(KeyFlags::UPDATE);
const TAKE: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);
const CHANGE: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE);

const fn count(begin: i16, first: i16, step: i16, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(begin), find: Find::Count { index: 0, first, step }, flags }
}

const fn keyword(keyword: &'static str, from: i16, limit: i16, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Keyword(keyword, from), find: Find::Range { last: -1, step: 1, limit }, flags }
}

/// The specifications that Valkey 9.1 gives.
const SPECS: &[(&str, &[KeySpec])] = &[
    ("GET", &[KeySpec::one(1, RO)]),
    ("MGET", &[KeySpec::range(1, -1, 1, RO)]),
    ("MSET", &[KeySpec::range(1, -1, 2, OW)]),
    ("MSETEX", &[count(1, 1, 2, OW)]),
    ("RENAME", &[KeySpec::one(1, TAKE), KeySpec::one(2, OW)]),
    ("LCS", &[KeySpec::range(1, 1, 1, RO)]),
    ("BITOP", &[KeySpec::one(2, OW), KeySpec::range(3, -1, 1, RO)]),
    ("BLPOP", &[KeySpec::range(1, -2, 1, TAKE)]),
    ("ZUNIONSTORE", &[KeySpec::one(1, OW), count(2, 1, 1, RO)]),
    ("SINTERCARD", &[count(1, 1, 1, RO)]),
    ("EVAL", &[count(2, 1, 1, CHANGE)]),
    ("XREAD", &[keyword("STREAMS", 1, 2, RO)]),
    ("XREADGROUP", &[keyword("STREAMS", 4, 2, RO)]),
    ("MIGRATE", &[KeySpec::one(3, TAKE), keyword("KEYS", -2, 0, TAKE.with(KeyFlags::INCOMPLETE))]),
    ("XGROUP", &[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::INSERT))]),
    ("OBJECT", &[KeySpec::one(2, KeyFlags::RO)]),
    ("MEMORY", &[KeySpec::one(2, KeyFlags::RO)]),
    ("LMPOP", &[count(1, 1, 1, TAKE)]),
    ("BLMPOP", &[count(2, 1, 1, TAKE)]),
    ("WATCH", &[KeySpec::range(1, -1, 1, KeyFlags::RO)]),
    ("COPY", &[KeySpec::one(1, RO), KeySpec::one(2, OW)]),
    ("SMOVE", &[KeySpec::one(1, TAKE), KeySpec::one(2, KeyFlags::RW.with(KeyFlags::INSERT))]),
    ("PFCOUNT", &[KeySpec::range(1, -1, 1, KeyFlags::RW.with(KeyFlags::ACCESS))]),
    ("ZDIFF", &[count(1, 1, 1, RO)]),
    ("SET", &[KeySpec::one(1, CHANGE.with(KeyFlags::VARIABLE_FLAGS))]),
    ("BITFIELD", &[KeySpec::one(1, CHANGE.with(KeyFlags::VARIABLE_FLAGS))]),
    ("SPUBLISH", &[KeySpec::one(1, KeyFlags::NOT_KEY)]),
    (
        "SORT",
        &[
            KeySpec::one(1, RO),
            KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags: RO.with(KeyFlags::INCOMPLETE) },
        ],
    ),
];

/// What Valkey 9.1 answers to COMMAND GETKEYSANDFLAGS; `!` stands for its error.
const ANSWERS: &[(&str, &str)] = &[
    ("get k", "k=RO+ACCESS"),
    ("mget a b c", "a=RO+ACCESS b=RO+ACCESS c=RO+ACCESS"),
    ("mset a 1 b 2 c 3", "a=OW+UPDATE b=OW+UPDATE c=OW+UPDATE"),
    ("mset a 1 b", "a=OW+UPDATE b=OW+UPDATE"),
    ("msetex 2 a 1 b 2 NX", "a=OW+UPDATE b=OW+UPDATE"),
    ("msetex 3 a 1 b 2", "!"),
    ("msetex 0 a 1", "!"),
    ("msetex -1 a 1", "!"),
    ("msetex x a 1", "!"),
    ("msetex 9223372036854775807 a 1", "!"),
    ("rename a b", "a=RW+ACCESS+DELETE b=OW+UPDATE"),
    ("lcs a b", "a=RO+ACCESS b=RO+ACCESS"),
    ("bitop and d a b", "d=OW+UPDATE a=RO+ACCESS b=RO+ACCESS"),
    ("blpop a b 0", "a=RW+ACCESS+DELETE b=RW+ACCESS+DELETE"),
    ("zunionstore d 2 a b", "d=OW+UPDATE a=RO+ACCESS b=RO+ACCESS"),
    ("zunionstore d 3 a b", "!"),
    ("zunionstore d 0 a", "!"),
    ("sintercard 2 a b LIMIT 1", "a=RO+ACCESS b=RO+ACCESS"),
    ("eval s 2 a b c", "a=RW+ACCESS+UPDATE b=RW+ACCESS+UPDATE"),
    ("eval s 1 a", "a=RW+ACCESS+UPDATE"),
    ("eval s 0 x", ""),
    ("eval s 5 x", ""),
    ("xread STREAMS a b 0 0", "a=RO+ACCESS b=RO+ACCESS"),
    ("xread COUNT 2 streams a b c 0 0 0", "a=RO+ACCESS b=RO+ACCESS c=RO+ACCESS"),
    ("xread COUNT 2 BLOCK STREAMS", "!"),
    ("xreadgroup GROUP g c STREAMS a 0", "a=RO+ACCESS"),
    ("migrate h 1 key 0 10", "key=RW+ACCESS+DELETE"),
    ("xgroup create k g 0", "k=RW+INSERT"),
    ("object encoding k", "k=RO"),
    ("memory usage k", "k=RO"),
    ("lmpop 2 a b LEFT", "a=RW+ACCESS+DELETE b=RW+ACCESS+DELETE"),
    ("blmpop 0 2 a b LEFT", "a=RW+ACCESS+DELETE b=RW+ACCESS+DELETE"),
    ("watch a b", "a=RO b=RO"),
    ("copy a b", "a=RO+ACCESS b=OW+UPDATE"),
    ("smove a b m", "a=RW+ACCESS+DELETE b=RW+INSERT"),
    ("pfcount a b", "a=RW+ACCESS b=RW+ACCESS"),
    ("zdiff 1 a", "a=RO+ACCESS"),
    ("set k v", "k=OW+UPDATE"),
    ("set k v GET", "k=RW+ACCESS+UPDATE"),
    ("set k v xx get", "k=RW+ACCESS+UPDATE"),
    ("bitfield k GET u8 0", "k=RO+ACCESS"),
    ("bitfield k OVERFLOW FAIL GET u8 0", "k=RO+ACCESS"),
    ("bitfield k SET u8 0 1", "k=RW+ACCESS+UPDATE"),
    ("bitfield k GET u8", "k=RW+ACCESS+UPDATE"),
];

const ALL: Keys = Keys::AllWith(&[KeySpec::one(1, RO)]);

fn row_of(name: &str) -> Row {
    let specs = SPECS.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, specs)| *specs);
    let name = SPECS.iter().map(|(of, _)| *of).find(|of| of.eq_ignore_ascii_case(name)).unwrap();
    Row::new(name, -1, Group::Generic, nothing).keys(Keys::Specs(specs.unwrap()))
}

/// The keys of a request as the test writes them.
fn keys_of(words: &[&[u8]]) -> String {
    let name = std::str::from_utf8(words[0]).unwrap();
    let Ok(keys) = key_positions(&row_of(name), Args::new(words)) else {
        return "!".to_owned();
    };
    let one = |key: &KeyAt| {
        let flags: Vec<_> =
            KeyFlags::NAMES.iter().filter(|(bit, _)| key.flags.has(*bit)).map(|(_, name)| *name).collect();
        format!("{}={}", std::str::from_utf8(words[key.index]).unwrap(), flags.join("+"))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn finds_what_a_server_finds() {
    for (request, expected) in ANSWERS {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        // Scripts may go without keys, so the server answers an empty list where ours does not fit.
        let keys = keys_of(&words);
        let keys = if keys == "!" && request.starts_with("eval") { String::new() } else { keys };
        assert_eq!(&keys, expected, "{request}");
    }
}

#[test]
fn keywords_and_what_cannot_be_expressed() {
    let keys = |request: &str| keys_of(&request.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    assert_eq!(
        keys("migrate h 1 k 0 10 COPY KEYS a b"),
        "k=RW+ACCESS+DELETE a=RW+ACCESS+DELETE+INCOMPLETE b=RW+ACCESS+DELETE+INCOMPLETE"
    );
    assert_eq!(keys("sort a STORE b"), "a=RO+ACCESS");
    assert_eq!(keys("spublish channel message"), "");
    assert_eq!(keys("get"), "!");
    assert_eq!(keys("blpop a"), "!");
    assert_eq!(keys("xread STREAMS"), "!");
}

#[test]
fn the_only_key_is_known_without_words() {
    let single = |name: &str| single_key(&row_of(name).keys);
    assert_eq!((single("GET"), single("SET"), single("OBJECT")), (Some(1), Some(1), Some(2)));
    for name in ["MGET", "LCS", "RENAME", "EVAL", "SPUBLISH", "SORT"] {
        assert_eq!(single(name), None, "{name}");
    }
    assert_eq!(single_key(&ALL), None);
}

proptest! {
    /// Whatever a client sends, every position is a word of the request.
    #[test]
    fn never_leaves_the_words(
        spec in 0..SPECS.len(),
        words in prop::collection::vec("(?i)streams|keys|get|overflow|-?[0-9]{1,20}|[a-z]{0,2}", 0..12),
    ) {
        let (name, _) = SPECS[spec];
        let request: Vec<&[u8]> = std::iter::once(name).chain(words.iter().map(String::as_str)).map(str::as_bytes).collect();
        if let Ok(keys) = key_positions(&row_of(name), Args::new(&request)) {
            prop_assert!(keys.iter().all(|key| (1..request.len()).contains(&key.index)));
            prop_assert!(keys.len() < request.len() * 2);
        }
    }

    /// A specification of any numbers is answered as well.
    #[test]
    fn any_specification(
        (begin, last, step, limit) in any::<(i16, i16, i16, i16)>(),
        (word, kind) in (0..20_i16, 0..3),
        length in 0..12_usize,
    ) {
        let begin = if kind == 0 { Begin::Keyword("K", begin) } else { Begin::Index(begin % 16) };
        let find = if kind == 1 { Find::Count { index: word, first: last, step } } else { Find::Range { last, step, limit } };
        let spec: &'static [KeySpec] = Box::leak(Box::new([KeySpec { begin, find, flags: RO }]));
        let row = Row::new("X", -1, Group::Generic, nothing).keys(Keys::Specs(spec));
        let words: Vec<&[u8]> = [b"x", b"k", b"3", b"9"].iter().cycle().take(length).map(|word| word.as_slice()).collect();
        if let Ok(keys) = key_positions(&row, Args::new(&words)) {
            prop_assert!(keys.iter().all(|key| key.index < length));
        }
    }
}

//! Places: sorted sets whose scores are geohashes.

mod add;
mod options;
mod search;
mod tell;

use crate::handler::{Args, Begin, Find, Flags, Group, KeyAt, KeyFlags, KeySpec, Keys, KeysFound, Row};

const READ: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const STORE: Keys = Keys::Specs(&[
    KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
    KeySpec::one(2, KeyFlags::RO.with(KeyFlags::ACCESS)),
]);
/// What STORE and STOREDIST do to the key behind them.
const STORED: KeyFlags = KeyFlags::OW.with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS);
const AROUND_PLACE: Keys = Keys::Computed(
    &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS)), stored_behind("STORE", 6), stored_behind("STOREDIST", 6)],
    georadius_keys,
);
const AROUND_MEMBER: Keys = Keys::Computed(
    &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS)), stored_behind("STORE", 5), stored_behind("STOREDIST", 5)],
    georadius_keys,
);

const fn stored_behind(word: &'static str, from: i16) -> KeySpec {
    KeySpec { begin: Begin::Keyword(word, from), find: Find::Range { last: 0, step: 1, limit: 0 }, flags: STORED }
}

/// The key that is searched and, if the result is stored, the one behind the last STORE or STOREDIST.
fn georadius_keys(args: Args<'_>) -> KeysFound {
    let mut found = KeysFound::default();
    found.positions.push(KeyAt { index: 1, flags: KeyFlags::RO.with(KeyFlags::ACCESS) });
    let mut words = args.cursor(5);
    let mut stored = None;
    while words.left() > 1 {
        if words.keyword("STORE") || words.keyword("STOREDIST") {
            stored = Some(args.len() - words.left());
        }
        words.next_word();
    }
    found.positions.extend(stored.map(|index| KeyAt { index, flags: KeyFlags::OW.with(KeyFlags::UPDATE) }));
    found
}

pub(super) const ROWS: &[Row] = &[
    Row::new("GEOADD", -5, Group::Geo, add::geoadd)
        .since("3.2.0")
        .doc("Adds members with a longitude and a latitude each.", "O(log N) for each member added")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key [(NX | XX)@6.2.0] [change=CH@6.2.0] data:(longitude:double latitude:double member:string)..."),
    Row::new("GEODIST", -4, Group::Geo, tell::geodist)
        .since("3.2.0")
        .doc("Tells how far two members are from each other.", "O(1)")
        .keys(READ)
        .flags(Flags::READONLY)
        .usage("key:key member1:string member2:string [unit:(M | KM | FT | MI)]"),
    Row::new("GEOHASH", -2, Group::Geo, tell::geohash)
        .since("3.2.0")
        .doc("Tells the geohash of members as text.", "O(1) for each member")
        .keys(READ)
        .flags(Flags::READONLY)
        .usage("key:key [member:string...]"),
    Row::new("GEOPOS", -2, Group::Geo, tell::geopos)
        .since("3.2.0")
        .doc("Tells longitude and latitude of members.", "O(1) for each member")
        .keys(READ)
        .flags(Flags::READONLY)
        .usage("key:key [member:string...]"),
    Row::new("GEORADIUS", -6, Group::Geo, search::georadius)
        .since("3.2.0")
        .doc(
            "Finds members around a place, and may store them.",
            "O(N + log M) for N members in the cells that cover the circle, M in all",
        )
        .keys(AROUND_PLACE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "key:key longitude:double latitude:double radius:double unit:(M | KM | FT | MI) [WITHCOORD] [WITHDIST] \
             [WITHHASH] [count-block:(COUNT count:integer [ANY@6.2.0])] [order:(ASC | DESC)] [store:(STORE \
             storekey/key:key | STOREDIST storedistkey/key:key)]",
        ),
    Row::new("GEORADIUSBYMEMBER", -5, Group::Geo, search::georadiusbymember)
        .since("3.2.0")
        .doc(
            "Finds members around another one, and may store them.",
            "O(N + log M) for N members in the cells that cover the circle, M in all",
        )
        .keys(AROUND_MEMBER)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "key:key member:string radius:double unit:(M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
             [count-block:(COUNT count:integer [ANY])] [order:(ASC | DESC)] [store:(STORE storekey/key:key | \
             STOREDIST storedistkey/key:key)]",
        ),
    Row::new("GEORADIUSBYMEMBER_RO", -5, Group::Geo, search::georadiusbymember_ro)
        .since("3.2.10")
        .doc(
            "Finds members around another one.",
            "O(N + log M) for N members in the cells that cover the circle, M in all",
        )
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage(
            "key:key member:string radius:double unit:(M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
             [count-block:(COUNT count:integer [ANY])] [order:(ASC | DESC)]",
        ),
    Row::new("GEORADIUS_RO", -6, Group::Geo, search::georadius_ro)
        .since("3.2.10")
        .doc("Finds members around a place.", "O(N + log M) for N members in the cells that cover the circle, M in all")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage(
            "key:key longitude:double latitude:double radius:double unit:(M | KM | FT | MI) [WITHCOORD] [WITHDIST] \
             [WITHHASH] [count-block:(COUNT count:integer [ANY@6.2.0])] [order:(ASC | DESC)]",
        ),
    Row::new("GEOSEARCH", -7, Group::Geo, search::geosearch)
        .since("6.2.0")
        .doc(
            "Finds members in a circle, a box or a polygon.",
            "O(N + log M) for N members in the cells that cover the area, M in all",
        )
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage(
            "key:key [from:(FROMMEMBER member:string | FROMLONLAT fromlonlat:(longitude:double latitude:double))] \
             by:(circle:(BYRADIUS radius:double unit:(M | KM | FT | MI)) | box:(BYBOX width:double height:double \
             unit:(M | KM | FT | MI)) | polygon:(BYPOLYGON num-vertices:integer vertices:(longitude:double \
             latitude:double)...)@9.0.0) [order:(ASC | DESC)] [count-block:(COUNT count:integer [ANY])] [WITHCOORD] \
             [WITHDIST] [WITHHASH]",
        ),
    Row::new("GEOSEARCHSTORE", -8, Group::Geo, search::geosearchstore)
        .since("6.2.0")
        .doc(
            "Finds members in a circle, a box or a polygon and stores them.",
            "O(N + log M) for N members in the cells that cover the area, M in all",
        )
        .keys(STORE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage(
            "destination:key source:key [from:(FROMMEMBER member:string | FROMLONLAT fromlonlat:(longitude:double \
             latitude:double))] by:(circle:(BYRADIUS radius:double unit:(M | KM | FT | MI)) | box:(BYBOX \
             width:double height:double unit:(M | KM | FT | MI)) | polygon:(BYPOLYGON num-vertices:integer \
             vertices:(longitude:double latitude:double)...)@9.0.0) [order:(ASC | DESC)] [count-block:(COUNT \
             count:integer [ANY])] [STOREDIST]",
        ),
];

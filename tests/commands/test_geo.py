"""Places beside Valkey 9.1: every command, every option, every error, distances to the last digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Double
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Argument, Reply
    from support.servers import Server

SICILY = ["GEOADD", "g", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"]
UNITS = ["m", "km", "ft", "mi", "KM"]
DISTANCES = ["0", "1", "100", "200.5", "1000", "5000", "20000", "1e7", "inf"]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair


def test_examples(with_valkey: Pair) -> None:
    with_valkey.same(*SICILY)
    for words in (
        "GEOADD g 13.5 38 Palermo", "GEOADD g CH 13.361389 38.115556 Palermo",
        "GEOADD g NX 1 1 Palermo 13.583333 37.316667 Agrigento",
        "GEOADD g XX CH 1 1 none 13.361389 38.115556 Palermo", "GEOPOS g Palermo none Catania", "GEOPOS none a",
        "GEOPOS g", "GEODIST g Palermo Catania", "GEODIST g Palermo Catania km", "GEODIST g Palermo Catania FT",
        "GEODIST g Palermo none", "GEODIST none a b mi", "GEODIST g Palermo Palermo", "GEOHASH g Palermo none Catania",
        "GEOHASH none a", "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC",
        "GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km desc WITHCOORD WITHDIST WITHHASH",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 100 mi COUNT 1", "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 100 mi",
        "GEOSEARCH g BYPOLYGON 3 12 37 17 37 14 40 ASC WITHDIST", "GEOSEARCH g BYPOLYGON 4 12 37 17 37 17 37.4 12 37.4",
        "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 2 ANY", "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m",
        "GEOSEARCH none FROMLONLAT 0 0 BYRADIUS 1 m", "GEOSEARCH none FROMMEMBER a BYRADIUS 1 m WITHDIST",
        "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 2", "ZRANGE d 0 -1 WITHSCORES",
        "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 mi STOREDIST", "ZRANGE d 0 -1 WITHSCORES",
        "GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 m", "EXISTS d", "GEOADD d 1 1 a",
        "GEOSEARCHSTORE d none FROMLONLAT 0 0 BYRADIUS 1 m", "EXISTS d", "GEORADIUS g 15 37 200 km WITHDIST WITHCOORD",
        "GEORADIUS g 15 37 200 km COUNT 1 DESC", "GEORADIUS g 15 37 200 km STORE d", "ZRANGE d 0 -1 WITHSCORES",
        "GEORADIUS g 15 37 200 km STORE d STOREDIST e", "EXISTS e", "GEORADIUSBYMEMBER g Palermo 100 km STOREDIST d",
        "ZRANGE d 0 -1 WITHSCORES", "GEORADIUSBYMEMBER_RO g Palermo 100 km ASC", "GEORADIUS_RO g 15 37 200 km WITHHASH",
        "GEORADIUS none 1 1 1 m STORE d", "EXISTS d", "OBJECT ENCODING g",
        "GEOADD edge 180 85.05112878 a -180 -85.05112878 b",
        "GEOSEARCH edge FROMMEMBER a BYRADIUS 1 km", "GEOSEARCH edge FROMLONLAT 180 80 BYBOX 5000 5000 km",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_wrong_words(with_valkey: Pair) -> None:
    with_valkey.same(*SICILY)
    with_valkey.same("RPUSH", "list", "a")
    for words in (
        "GEOADD g 181 1 a", "GEOADD g 1 86 a", "GEOADD g x 1 a", "GEOADD g 1 x a", "GEOADD g 1 1",
        "GEOADD g NX XX 1 1 a",
        "GEOADD g NX XX CH", "GEOADD g 1 1 a 1", "GEOADD g 1 1 a 200 1 b", "GEOADD g nan 1 a", "GEOADD list 1 1 a",
        "GEOADD list 1 x a", "ZRANGE g 0 -1", "GEOPOS list a", "GEOHASH list", "GEODIST list a b", "GEODIST g a b x",
        "GEODIST none a b x", "GEODIST g a b m m", "GEOSEARCH list FROMMEMBER a BYRADIUS x m",
        "GEOSEARCH g FROMMEMBER none BYRADIUS 1 m", "GEOSEARCH g FROMMEMBER Palermo BYRADIUS x m",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS -1 m", "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 x",
        "GEOSEARCH g FROMMEMBER Palermo BYBOX x 1 m", "GEOSEARCH g FROMMEMBER Palermo BYBOX 1 x m",
        "GEOSEARCH g FROMMEMBER Palermo BYBOX 1 -1 m", "GEOSEARCH g FROMMEMBER Palermo BYBOX 1 1 x",
        "GEOSEARCH g FROMMEMBER Palermo ASC DESC ASC", "geoSearch g BYRADIUS 1 m ASC ASC",
        "GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 m", "GEOSEARCH g FROMLONLAT 1 200 BYRADIUS 1 m",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m BYBOX 1 1 m",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m COUNT 0",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m COUNT x", "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m COUNT",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m ANY", "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m STORE d",
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m STOREDIST",
        "GEOSEARCH g FROMMEMBER Palermo BYPOLYGON 3 1 1 2 2 1 3",
        "GEOSEARCH g BYPOLYGON 3 1 1 2 2 1 3 FROMLONLAT 1 1", "GEOSEARCH g BYPOLYGON 2 1 1 2 2",
        "GEOSEARCH g BYPOLYGON 3 1 1 2 2 1", "GEOSEARCH g BYPOLYGON x 1 1 2 2 1 3",
        "GEOSEARCH g BYPOLYGON 3 1 1 2 2 1 300",
        "GEOSEARCHSTORE d g FROMMEMBER Palermo BYRADIUS 1 m WITHDIST",
        "GEOSEARCHSTORE d list FROMMEMBER a BYRADIUS 1 m",
        "GEORADIUS g 1 1 1 m STORE d WITHDIST", "GEORADIUS g 1 1 1 m STORE", "GEORADIUS g 1 1 x m",
        "GEORADIUS g 1 1 1 x",
        "GEORADIUS g 1 x 1 m", "GEORADIUS_RO g 1 1 1 m STORE d", "GEORADIUSBYMEMBER g none 1 m",
        "GEORADIUSBYMEMBER none a x x", "GEORADIUSBYMEMBER none a x x FOO", "GEORADIUSBYMEMBER g Palermo x m",
        "GEORADIUSBYMEMBER_RO g Palermo 1 m STORE d", "GEORADIUS list 1 1 x m", "EXISTS d",
        "COMMAND GETKEYS GEORADIUS a 1 2 3 m STORE b STOREDIST c", "COMMAND GETKEYSANDFLAGS GEORADIUS a 1 2 3 m ASC",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_numbers_that_are_no_geohash(with_valkey: Pair) -> None:
    for score in ["-1", "1.5", "inf", "-inf", "1e300", "4503599627370496", "9007199254740991", "1.9e19"]:
        with_valkey.same("ZADD", "z", score, "m")
        with_valkey.same("GEOPOS", "z", "m")
        with_valkey.same("GEOHASH", "z", "m")
        with_valkey.same("GEOSEARCH", "z", "FROMMEMBER", "m", "BYRADIUS", "1", "km", "WITHHASH")


def test_every_search_by_chance(with_valkey: Pair, rng: random.Random) -> None:
    for step in range(1500):
        if step % 50 == 0:
            with_valkey.same("DEL", rng.choice(["g", "h"]))
        with_valkey.same(*some_command(rng))
        mine, theirs = with_valkey.both("ZRANGE", "d", "0", "-1", "WITHSCORES")
        assert numbers(mine) == numbers(theirs)


def numbers(reply: Reply) -> object:
    """A reply with its numbers as such: Valkey does not always write the fewest digits."""
    match reply:
        case Array(items):
            return [numbers(item) for item in items]
        case Double(text):
            return float(text)
        case Bulk(text) if not text.startswith(b"m"):
            return float(text)
        case _:
            return reply


def place(rng: random.Random) -> list[str]:
    """A place: in one corner of Earth, or anywhere."""
    if rng.randrange(4):
        return [repr(rng.uniform(10, 20)), repr(rng.uniform(30, 45))]
    return [repr(rng.uniform(-180, 180)), repr(rng.uniform(-85, 85))]


def some_command(rng: random.Random) -> list[Argument]:
    """A change or a search."""
    key = rng.choice(["g", "g", "h"])
    member, unit = f"m{rng.randrange(40)}", rng.choice(UNITS)
    match rng.randrange(6):
        case 0:
            words = [word for _ in range(rng.choice([1, 2, 20])) for word in [*place(rng), f"m{rng.randrange(40)}"]]
            return ["GEOADD", key, *rng.choice([[], ["NX"], ["XX", "CH"], ["CH"]]), *words]
        case 1:
            return ["GEODIST", key, member, f"m{rng.randrange(40)}", unit]
        case 2:
            stored = rng.choice([[], ["STORE", "d"], ["STOREDIST", "d"]])
            told = [] if stored else options(rng)
            center = rng.choice([["GEORADIUS", key, *place(rng)], ["GEORADIUSBYMEMBER", key, member]])
            return [*center, rng.choice(DISTANCES), unit, *told, *stored]
        case 3:
            return ["GEOSEARCHSTORE", "d", key, *area(rng, member, unit), *rng.choice([[], ["STOREDIST"]])]
        case _:
            return ["GEOSEARCH", key, *area(rng, member, unit), *options(rng)]


def area(rng: random.Random, member: str, unit: str) -> list[str]:
    """Where to search."""
    if rng.randrange(4) == 0:
        # Not around a pole: Valkey finds nothing there.
        corners = [[repr(rng.uniform(5, 25)), repr(rng.uniform(25, 50))] for _ in range(rng.randint(3, 6))]
        return ["BYPOLYGON", str(len(corners)), *(word for corner in corners for word in corner)]
    center = rng.choice([["FROMMEMBER", member], ["FROMLONLAT", *place(rng)]])
    box = ["BYBOX", rng.choice(DISTANCES), rng.choice(DISTANCES), unit]
    return [*center, *rng.choice([["BYRADIUS", rng.choice(DISTANCES), unit], box])]


def options(rng: random.Random) -> list[str]:
    """What to tell; where some are at one place, only all of them, as the others are no more right than those told."""
    told = rng.sample(["WITHCOORD", "WITHDIST", "WITHHASH"], rng.randint(0, 3))
    return [*told, *rng.choice([[], ["ASC"], ["DESC"], ["COUNT", "3", "ANY"], ["COUNT", "100"]])]

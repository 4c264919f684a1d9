"""Places on Earth: sorted sets of members that have a longitude and a latitude.

Units are ``"m"``, ``"km"``, ``"mi"`` and ``"ft"``. A search gives names of members. With ``withdist``, ``withhash`` or
``withcoord`` it gives a list for each: its name, its distance, its geohash as a number, its (longitude, latitude).
"""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rkv.commands.form import Shape, Word

_UNITS = {"m", "km", "mi", "ft"}


def _float_or_none(reply: Any) -> float | None:
    return None if reply is None else float(reply)


def _place(reply: Any) -> tuple[float, float] | None:
    return None if reply is None else (float(reply[0]), float(reply[1]))


def _places(reply: list[Any]) -> list[tuple[float, float] | None]:
    return [_place(place) for place in reply]


def _texts(reply: list[Any]) -> list[str | None]:
    """Geohashes, which are text whatever else is decoded."""
    return [text.decode() if isinstance(text, bytes) else text for text in reply]


def _found(withdist: bool, withhash: bool, withcoord: bool) -> Shape[list[Any]]:
    """Members, each with what was asked for."""
    told = ((withdist, float), (withhash, int), (withcoord, _place))
    casts = [cast for wanted, cast in told if wanted]
    if not casts:
        return None
    return lambda reply: [
        [name, *(cast(value) for cast, value in zip(casts, values, strict=True))] for name, *values in reply
    ]


def _radius_words(
    words: list[Word],
    unit: str | None,
    withdist: bool,
    withcoord: bool,
    withhash: bool,
    count: int | None,
    sort: str | None,
    store: Word | None,
    store_dist: Word | None,
    any: bool,
) -> list[Word]:
    """What GEORADIUS and GEORADIUSBYMEMBER are told behind ``words``."""
    if unit and unit not in _UNITS:
        raise DataError("GEORADIUS invalid unit")
    if any and count is None:
        raise DataError("``any`` can't be provided without ``count``")
    if sort and sort not in {"ASC", "DESC"}:
        raise DataError("GEORADIUS invalid sort")
    if store and store_dist:
        raise DataError("GEORADIUS store and store_dist can't be set together")
    words.append(unit or "m")
    options = ((withdist, "WITHDIST"), (withcoord, "WITHCOORD"), (withhash, "WITHHASH"))
    words += [word for wanted, word in options if wanted]
    words += [] if count is None else ["COUNT", count, *(["ANY"] if any else [])]
    words += [sort] if sort else []
    words += ["STORE", store] if store else []
    words += ["STOREDIST", store_dist] if store_dist else []
    return words


def _search_words(
    words: list[Word],
    member: Word | None,
    longitude: float | None,
    latitude: float | None,
    unit: str,
    radius: float | None,
    width: float | None,
    height: float | None,
    sort: str | None,
    count: int | None,
    any: bool,
) -> list[Word]:
    """What GEOSEARCH and GEOSEARCHSTORE are told behind ``words``."""
    if member is None and (longitude is None or latitude is None):
        raise DataError("GEOSEARCH must have member or longitude and latitude")
    if member and (longitude or latitude):
        raise DataError("GEOSEARCH member and longitude or latitude can't be set together")
    if radius is None and (width is None or height is None):
        raise DataError("GEOSEARCH must have radius or width and height")
    if unit is None:
        raise DataError("GEOSEARCH must have unit")
    if unit.lower() not in _UNITS:
        raise DataError("GEOSEARCH invalid unit")
    if radius and (width or height):
        raise DataError("GEOSEARCH radius and width or height can't be set together")
    if sort and sort.upper() not in {"ASC", "DESC"}:
        raise DataError("GEOSEARCH invalid sort")
    if any and not count:
        raise DataError("GEOSEARCH ``any`` can't be provided without count")
    words += ["FROMMEMBER", member] if member else []
    words += [] if longitude is None or latitude is None else ["FROMLONLAT", longitude, latitude]
    words += ["BYRADIUS", radius, unit] if radius else []
    words += ["BYBOX", width, height, unit] if width and height else []
    words += [sort.upper()] if sort else []
    words += ["COUNT", count, *(["ANY"] if any else [])] if count else []
    return words


class GeoCommands(Form[T]):
    """Commands on places."""

    __slots__ = ()

    @command
    def geoadd(self, name: Word, values: Sequence[Word], nx: bool = False, xx: bool = False, ch: bool = False) -> int:
        """Add places, each a longitude, a latitude and a name one behind the other; how many are new.

        ``nx`` leaves those that are there as they are, ``xx`` adds none; ``ch`` counts those that moved, too.
        """
        if nx and xx:
            raise DataError("GEOADD allows either 'nx' or 'xx', not both")
        if len(values) % 3 != 0:
            raise DataError("GEOADD requires places with lon, lat and name values")
        options = ((nx, "NX"), (xx, "XX"), (ch, "CH"))
        return self._call(INTEGER, "GEOADD", name, *(word for wanted, word in options if wanted), *values)

    @command
    def geodist(self, name: Word, place1: Word, place2: Word, unit: str | None = None) -> float | None:
        """How far two members are from each other, in metres if there is no unit; None if one is missing."""
        if unit and unit not in _UNITS:
            raise DataError("GEODIST invalid unit")
        return self._call(_float_or_none, "GEODIST", name, place1, place2, *([unit] if unit else []))

    @command
    def geohash(self, name: Word, *values: Word) -> list[str | None]:
        """The geohash of members, None where there is no member."""
        return self._call(_texts, "GEOHASH", name, *values)

    @command
    def geopos(self, name: Word, *values: Word) -> list[tuple[float, float] | None]:
        """Longitude and latitude of members, None where there is no member."""
        return self._call(_places, "GEOPOS", name, *values)

    @command
    def georadius(
        self,
        name: Word,
        longitude: float,
        latitude: float,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: Word | None = None,
        store_dist: Word | None = None,
        any: bool = False,
    ) -> Any:
        """Members around a place; ``store`` and ``store_dist`` are keys for the result, of which the size is told then.

        ``sort`` is "ASC" or "DESC"; ``any`` takes the first ``count`` that are found, not the nearest.
        """
        words = _radius_words(
            ["GEORADIUS", name, longitude, latitude, radius],
            unit, withdist, withcoord, withhash, count, sort, store, store_dist, any,
        )  # fmt: skip
        is_stored = store or store_dist
        return self._call(None if is_stored else _found(withdist, withhash, withcoord), *words)

    @command
    def georadiusbymember(
        self,
        name: Word,
        member: Word,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: Word | None = None,
        store_dist: Word | None = None,
        any: bool = False,
    ) -> Any:
        """Members around another one; else as :meth:`georadius`."""
        words = _radius_words(
            ["GEORADIUSBYMEMBER", name, member, radius],
            unit, withdist, withcoord, withhash, count, sort, store, store_dist, any,
        )  # fmt: skip
        is_stored = store or store_dist
        return self._call(None if is_stored else _found(withdist, withhash, withcoord), *words)

    @command
    def geosearch(
        self,
        name: Word,
        member: Word | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool = False,
        withdist: bool = False,
        withhash: bool = False,
    ) -> list[Any]:
        """Members around a member or a place, in a circle (``radius``) or a box (``width`` and ``height``)."""
        words = _search_words(
            ["GEOSEARCH", name], member, longitude, latitude, unit, radius, width, height, sort, count, any
        )
        options = ((withdist, "WITHDIST"), (withcoord, "WITHCOORD"), (withhash, "WITHHASH"))
        words += [word for wanted, word in options if wanted]
        return self._call(_found(withdist, withhash, withcoord), *words)

    @command
    def geosearchstore(
        self,
        dest: Word,
        name: Word,
        member: Word | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,
        storedist: bool = False,
    ) -> int:
        """Store what :meth:`geosearch` finds, with distances as scores if ``storedist``; how many members."""
        words = _search_words(
            ["GEOSEARCHSTORE", dest, name], member, longitude, latitude, unit, radius, width, height, sort, count, any
        )
        return self._call(INTEGER, *words, *(["STOREDIST"] if storedist else []))

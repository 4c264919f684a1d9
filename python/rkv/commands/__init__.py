"""Typed methods under redis-py's names: a family in each module, each method once for every form."""

from __future__ import annotations

from rkv.commands.bits import BitCommands
from rkv.commands.blocking import BlockingCommands
from rkv.commands.form import T
from rkv.commands.geo import GeoCommands
from rkv.commands.hashes import HashCommands
from rkv.commands.hyperloglog import HyperloglogCommands
from rkv.commands.keys import KeyCommands
from rkv.commands.lists import ListCommands
from rkv.commands.pubsub import PubSubCommands
from rkv.commands.sets import SetCommands
from rkv.commands.sorted_sets import SortedSetCommands
from rkv.commands.store import StoreCommands
from rkv.commands.streams import StreamCommands
from rkv.commands.strings import StringCommands


class Commands(
    StringCommands[T],
    ListCommands[T],
    BlockingCommands[T],
    HashCommands[T],
    SetCommands[T],
    SortedSetCommands[T],
    BitCommands[T],
    HyperloglogCommands[T],
    GeoCommands[T],
    StreamCommands[T],
    KeyCommands[T],
    StoreCommands[T],
    PubSubCommands[T],
):
    """All families, but for what a keyspace has in the extension (:class:`rkv.commands.hot.HotCommands`)."""

    __slots__ = ()

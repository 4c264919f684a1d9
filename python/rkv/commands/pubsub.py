"""Channels: what a program says on them, and what it may ask about them. Listening is :mod:`rkv.pubsub`."""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rkv.commands.form import Shape, Word


def _counts(reply: list[Any]) -> list[tuple[Any, int]]:
    """Names and numbers in turn as pairs."""
    return list(zip(reply[::2], reply[1::2], strict=True))


COUNTS: Shape[list[tuple[Any, int]]] = _counts


class PubSubCommands(Form[T]):
    """Commands of channels."""

    __slots__ = ()

    @command
    def publish(self, channel: Word, message: Word) -> int:
        """Say something to all who listen to a channel; how many those are."""
        return self._call(INTEGER, "PUBLISH", channel, message)

    @command
    def spublish(self, shard_channel: Word, message: Word) -> int:
        """Say something to all who listen to a shard channel; how many those are."""
        return self._call(INTEGER, "SPUBLISH", shard_channel, message)

    @command
    def pubsub_channels(self, pattern: Word = "*") -> list[T]:
        """List the channels that somebody listens to and that match."""
        return self._strings("PUBSUB", "CHANNELS", pattern)

    @command
    def pubsub_shardchannels(self, pattern: Word = "*") -> list[T]:
        """List the shard channels that somebody listens to and that match."""
        return self._strings("PUBSUB", "SHARDCHANNELS", pattern)

    @command
    def pubsub_numpat(self) -> int:
        """Count the patterns by which somebody listens."""
        return self._call(INTEGER, "PUBSUB", "NUMPAT")

    @command
    def pubsub_numsub(self, *channels: Word) -> list[tuple[T, int]]:
        """Count who listens to channels, patterns aside."""
        return self._call(COUNTS, "PUBSUB", "NUMSUB", *channels)

    @command
    def pubsub_shardnumsub(self, *channels: Word) -> list[tuple[T, int]]:
        """Count who listens to shard channels."""
        return self._call(COUNTS, "PUBSUB", "SHARDNUMSUB", *channels)

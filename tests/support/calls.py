"""Calls of redis-py's methods, and what becomes of them on any client that has these methods."""

from __future__ import annotations

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A method with its arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        words = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.name}({', '.join(words)})"


def call(name: str, *args: Any, **kwargs: Any) -> Call:
    return Call(name, args, kwargs)


def outcome(client: Any, called: Call) -> tuple[str, Any]:
    """What a call returns, with its type; or the class and text of what it raises."""
    try:
        value = getattr(client, called.name)(*called.args, **called.kwargs)
        if called.name.endswith("_iter"):
            value = list(value)
    except Exception as error:  # noqa: BLE001 - whatever it is, both must raise it
        return type(error).__name__, str(error)
    return type(value).__name__, value

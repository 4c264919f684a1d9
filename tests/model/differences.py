"""Every difference between rkv and a real server that is meant, each with its reason.

Where Redis 7.0 and Valkey 9.1 differ, rkv answers as Valkey 9.1, the newer dialect; those entries name only `redis`.
An entry is as narrow as it can be: the commands, and a pattern for what each side said. An unused entry is a lie that
nobody notices, so a test holds that each one matches its example.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.usage import Words
    from support.resp import Reply


@dataclass(frozen=True)
class Difference:
    """One meant difference. `words`, `theirs` and `ours` are patterns over the printed command and replies."""

    server: str
    words: str
    theirs: str
    ours: str
    reason: str


DIFFERENCES: list[Difference] = [
    Difference(
        server="redis",
        words=r"GETEX .*",
        theirs=r"Null(Bulk)?\(\)",
        ours=r"""Error\(text=b["']ERR (value is not an integer|invalid expire time in 'getex').*""",
        reason="Redis 7.0 looks for the key before it reads the time, Valkey 9.1 after.",
    ),
]


def reason(server: str, words: Words, theirs: Reply, ours: Reply) -> str | None:
    """Why it is meant that rkv answers these words otherwise than a server; None if it is not."""
    asked = " ".join(word.decode("latin-1").upper() for word in words)
    for difference in DIFFERENCES:
        if (
            difference.server in (server, "both")
            and re.fullmatch(difference.words, asked, re.DOTALL)
            and re.fullmatch(difference.theirs, repr(theirs), re.DOTALL)
            and re.fullmatch(difference.ours, repr(ours), re.DOTALL)
        ):
            return difference.reason
    return None

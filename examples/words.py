"""A list of English words in process, and the same keys over a socket at the same time.

Loads a real list (Debian's `wamerican`, over 100,000 words), one key for each word, into a store inside this process.
Meanwhile redis-py, over TCP, counts what is there already. Then both sides are asked the same things: how many keys
there are, the values of a sample, and how many words begin with each letter.

Run `python examples/words.py`, or name another list behind it. It needs redis-py: `pip install redis`. Exit status: 0
if all answers are the same, 1 if one is not, 2 if there is no such list.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import redis

import rkv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WORDS = Path("/usr/share/dict/words")
WORDS_MIN = 100_000
REMEDY = "`apt-get install wamerican` brings one to Debian and Ubuntu; or name a file with a word in each line."
BATCH = 1000
SAMPLE = 5000
PREFIX = "word:"


class NoWordsError(Exception):
    """There is no list of words, or it is too short to show anything."""


def read_words(path: Path) -> list[str]:
    """Read the words of a file, each once, in its order."""
    try:
        words = list(dict.fromkeys(path.read_text(encoding="utf-8").split()))
    except (OSError, UnicodeError) as error:
        raise NoWordsError(f"No list of words can be read at {path} ({error}). {REMEDY}") from None
    if len(words) < WORDS_MIN:
        raise NoWordsError(f"{path} has {len(words):,} words, which is less than {WORDS_MIN:,}. {REMEDY}")
    return words


def load(kv: rkv.Keyspace[str], words: list[str]) -> None:
    """Set a key for each word; its value is the word's place in the list."""
    for start in range(0, len(words), BATCH):
        batch = words[start : start + BATCH]
        kv.mset({PREFIX + word: str(place) for place, word in enumerate(batch, start)})


class Watcher(threading.Thread):
    """Counts the keys over a connection of its own, again and again, until all are there."""

    def __init__(self, url: str, expected: int) -> None:
        super().__init__(name="watcher")
        self._client = redis.Redis.from_url(url)
        self._expected = expected
        self.stop = threading.Event()
        self.counts: list[int] = []

    def run(self) -> None:
        """Count, in a thread."""
        with self._client:
            while not self.stop.is_set() and (not self.counts or self.counts[-1] < self._expected):
                self.counts.append(self._client.dbsize())


def first_letters(keys: Iterable[str]) -> Counter[str]:
    """Count the words by their first letter."""
    return Counter(key[len(PREFIX)].lower() for key in keys)


def timed(ask: Callable[[], object]) -> tuple[object, float]:
    """Return an answer, and the milliseconds it took."""
    begin = time.perf_counter()
    return ask(), 1000 * (time.perf_counter() - begin)


def compare(kv: rkv.Keyspace[str], client: redis.Redis, words: list[str]) -> bool:
    """Ask both sides the same questions, print how that went, and tell whether all answers were the same."""
    places = sorted(random.Random(1).sample(range(len(words)), SAMPLE))
    sample = [PREFIX + words[place] for place in places]
    questions: list[tuple[str, object, Callable[[], object], Callable[[], object]]] = [
        ("DBSIZE", len(words), kv.dbsize, client.dbsize),
        (
            f"MGET of {SAMPLE:,} words",
            [str(place) for place in places],
            lambda: kv.mget(sample),
            lambda: client.mget(sample),
        ),
        (
            "first letters by SCAN",
            first_letters(PREFIX + word for word in words),
            lambda: first_letters(kv.scan_iter(match=PREFIX + "*", count=BATCH)),
            lambda: first_letters(client.scan_iter(match=PREFIX + "*", count=BATCH)),
        ),
    ]
    are_same = True
    print(f"{'':24}{'in process':>12}{'TCP':>12}   answers")
    for name, expected, here, there in questions:
        (mine, mine_ms), (theirs, theirs_ms) = timed(here), timed(there)
        is_same = mine == theirs == expected
        are_same = are_same and is_same
        print(f"{name:24}{mine_ms:9.1f} ms{theirs_ms:9.1f} ms   {'the same' if is_same else 'DIFFERENT'}")
    return are_same


def main(arguments: list[str]) -> int:
    """Run the example; returns its exit status."""
    try:
        words = read_words(Path(arguments[0]) if arguments else WORDS)
    except NoWordsError as error:
        print(error, file=sys.stderr)
        return 2
    with rkv.open() as db, rkv.serve_in_thread(db) as server:
        kv = db.db(0, text=True)
        watcher = Watcher(server.url, len(words))
        watcher.start()
        try:
            _, load_ms = timed(lambda: load(kv, words))
        except BaseException:
            watcher.stop.set()
            raise
        watcher.join(timeout=10)
        watcher.stop.set()
        memory = kv.info("memory")["used_memory_human"]
        print(f"{len(words):,} words set in process in {load_ms:.0f} ms, which takes {memory}B of memory")
        seen = watcher.counts or [0]
        print(f"redis-py at {server.url} counted {len(seen)} times meanwhile, at last {seen[-1]:,} keys")
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            are_same = compare(kv, client, words)
        are_same = are_same and seen == sorted(seen) and seen[-1] == len(words)
    common = first_letters(PREFIX + word for word in words).most_common(3)
    print("Most words begin with " + ", ".join(f"{letter} ({count:,})" for letter, count in common) + ".")
    print("Both sides gave the same answers." if are_same else "The answers differ: this is a bug.")
    return 0 if are_same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

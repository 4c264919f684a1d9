"""Writes the log of a release, with what is stored in it: run once per release, and never again for the same one.

    cd tests && python -m data.log.make

`persist/test_golden.py` loads what every release wrote.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import rkv
from support import servers

HERE = Path(__file__).parent
FAR_MS = 4_102_444_800_000
BASE = """
SET text value | SET number 12345 | SET long {long} | RPUSH list a b 3 {long} | SADD set a b c
SADD integers 1 2 300000 | ZADD zset 1.5 a -inf b 3 c | HSET hash f v g {long} | XADD stream 1-1 f v
XADD stream 2-1 f w | XGROUP CREATE stream g 0 | XREADGROUP GROUP g c COUNT 1 STREAMS stream > | PFADD log a b c
GEOADD places 13.361389 38.115556 Palermo
SETBIT bits 100 1 | SELECT 3 | SET elsewhere v | SELECT 0
"""
THEN = """
APPEND text 2 | INCRBYFLOAT number 0.5 | LPOP list | SPOP set | ZADD zset 9 d | HINCRBY hash n 7 | XADD stream 3-1 f x
XACK stream g 1-1 | XTRIM stream MAXLEN 2 | PEXPIREAT text {far} | HPEXPIREAT hash {far} FIELDS 1 f | DEL integers
MULTI | SET left 1 | SET right 1 | EXEC | COPY zset other | RENAME bits flags | SELECT 9 | LPUSH ninth x y | SELECT 0
"""


def calls(text: str) -> list[list[str]]:
    filled = text.format(long="long " * 20 + "end", far=FAR_MS).replace(" " + "long " * 20, " " + "long-" * 20)
    return [call.split() for line in filled.strip().splitlines() for call in line.split(" | ")]


def main() -> None:
    into = HERE / f"rkv-{rkv.__version__}"
    if into.exists():
        sys.exit(f"{into} is there already, and what was released does not change")
    folder = Path(tempfile.mkdtemp())
    with servers.start_rkv("--dir", str(folder), "--appendonly", "yes") as server, server.connect() as connection:
        for call in calls(BASE):
            connection.call(*call)
        connection.call("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence").data:
            time.sleep(0.01)
        for call in calls(THEN):
            connection.call(*call)
        stored = {
            "digest": connection.call("DEBUG", "DIGEST").text.decode(),
            "keys": connection.call("DBSIZE").value,
            "text_expires_ms": connection.call("PEXPIRETIME", "text").value,
            "field_expires_ms": connection.call("HPEXPIRETIME", "hash", "FIELDS", "1", "f").items[0].value,
        }
        connection.call("SAVE")
        server.terminate()
    shutil.copytree(folder / "appendonlydir", into / "appendonlydir")
    shutil.copy(folder / "dump.rdb", into / "dump.rdb")
    (into / "stored.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()

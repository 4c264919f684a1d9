"""A child of fork must not use its parent's store, and must not hang on it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys, warnings
warnings.simplefilter("ignore")
import rkv
db = rkv.open()
kv = db.db(0)
kv["a"] = 1
pipe = kv.pipeline()
pipe.watch("a")
pid = os.fork()
if pid == 0:
    batch = [("GET", "a")]
    uses = [lambda: kv.get("a"), lambda: db.db(1), lambda: kv.execute_many(batch), lambda: repr(db)]
    for use in [*uses, lambda: pipe.get("a")]:
        try:
            use()
        except rkv.ForkedError as error:
            assert "rkv.open()" in str(error)
        else:
            os._exit(1)
    db.close()
    own = rkv.open()
    own.db(0)["b"] = 2
    assert own.db(0)["b"] == b"2"
    own.close()
    del pipe, kv, db
    sys.exit(42)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 42, status
assert kv["a"] == b"1"
print("done")
"""


def test_fork() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)

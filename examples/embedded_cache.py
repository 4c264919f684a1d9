"""A cache inside the program: results of a slow function, kept for a while, in a bounded amount of memory."""

from __future__ import annotations

import json
import time

import rkv

TTL_MS = 500


def slow_report(customer: int) -> dict[str, int]:
    """Stand in for a query that takes its time."""
    time.sleep(0.05)
    return {"customer": customer, "orders": customer * 3}


class Reports:
    """Reports by customer; each is made at most once within its time to live."""

    def __init__(self, kv: rkv.Keyspace[bytes], ttl_ms: int = TTL_MS) -> None:
        self._kv = kv
        self._ttl_ms = ttl_ms
        self.made = 0

    def get(self, customer: int) -> dict[str, int]:
        """Return the report of a customer, made now or a moment ago."""
        key = f"report:{customer}"
        cached = self._kv.get(key)
        if cached is None:
            self.made += 1
            cached = json.dumps(slow_report(customer)).encode()
            self._store(key, cached)
        report: dict[str, int] = json.loads(cached)
        return report

    def _store(self, key: str, report: bytes) -> None:
        try:
            self._kv.set(key, report, px=self._ttl_ms)
        except rkv.OutOfMemoryError:
            # A full cache answers still, only slower.
            return


def main() -> None:
    """Read a report three times: made, cached, and made again when its time is over."""
    with rkv.open(maxmemory=16 * 1024 * 1024) as db:
        reports = Reports(db.db(0))
        for wait_s in (0.0, 0.0, TTL_MS / 1000 + 0.05):
            time.sleep(wait_s)
            begin = time.perf_counter()
            report = reports.get(7)
            print(f"{report} in {1000 * (time.perf_counter() - begin):.2f} ms, made {reports.made} times")


if __name__ == "__main__":
    main()

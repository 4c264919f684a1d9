"""From what a program holds to the engine behind it."""

from __future__ import annotations

from rkv._rkv import Engine


def engine_of(db: object) -> Engine:
    """The engine of a database, or the engine itself; TypeError for anything else."""
    engine = getattr(db, "_engine", db)
    if not isinstance(engine, Engine):
        raise TypeError(f"an rkv database is needed, not {type(db).__name__}")
    return engine

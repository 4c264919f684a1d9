"""Options, progress, tables and JSON that all scripts share."""

import argparse
import json
import math
import statistics
import sys

import measure

# More CPU use by others than this, in the median, makes a run useless for quoting.
FOREIGN_CPUS_MAX = 0.15


def parser(description, rounds):
    """An argument parser with the options every script has."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument(
        "--rounds", type=positive, default=rounds, help="repetitions; medians are shown (default %(default)s)"
    )
    result.add_argument(
        "--quick", action="store_true", help="a small, fast variant; for finding gross errors, not for quoting"
    )
    result.add_argument("--json", metavar="FILE", help="write every single measurement to FILE")
    return result


def positive(text):
    """argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def say(message):
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)


def announce(seconds, bound):
    """Say up front how long the run will take."""
    say(f"run time: about {duration(seconds)}, at most {duration(bound)}")


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def median(values):
    """Median of the values that are there; None without any."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def percentile(ordered, share):
    """Nearest-rank percentile of a sorted sequence; None when it is empty."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def number(value, digits=0):
    """A number for a table; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(ours, theirs):
    """ours / theirs, or None when either is missing."""
    return ours / theirs if ours is not None and theirs else None


def best(values, highest):
    """The best of the values that are there, or None."""
    values = [value for value in values if value is not None]
    return (max(values) if highest else min(values)) if values else None


def table(headers, rows):
    """A Markdown table: first column left, the others right."""
    lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def head(title, notes):
    """Print the title, the machine, and notes as a list."""
    machine = measure.machine()
    print(f"# {title}\n")
    hardware = f"{machine['cpus']} × {machine['cpu']}, {machine['memory_gib']} GiB"
    print(f"- {hardware}, Linux {machine['kernel']}, Python {machine['python']}")
    for note in notes:
        print(f"- {note}")
    print()


def noise(results):
    """How much CPU others used during the runs: a line for the head of a report."""
    foreign = sorted(result["foreign_cpus"] for result in results if "foreign_cpus" in result)
    if not foreign:
        return "nothing was measured"
    line = f"foreign CPU use during the runs, in CPUs: median {median(foreign):.2f}, p90 {percentile(foreign, 0.9):.2f}"
    return line + (" **(too much: do not quote this run)**" if median(foreign) > FOREIGN_CPUS_MAX else "")


def save(path, script, servers, results):
    """Write the raw results, if a path was given."""
    if not path:
        return
    document = {"script": script, "machine": measure.machine(), "servers": servers, "results": results}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    say(f"raw results: {path}")

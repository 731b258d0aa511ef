"""Long runs, each with its seed and a summary: `python -m tests.soak http --count 100000`.

A subject is a module beside this one with `async def soak(count, seed, folder)`, which returns
reports that print themselves and know their failures. `make soak` runs them all.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import tempfile
from pathlib import Path

import uvloop

#: subject → how many cases by default.
SUBJECTS = {"http": 100_000, "kafka": 60_000}


def main(argv: list[str] | None = None) -> int:
    """Run the subjects asked for; return 1 if anything failed in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--count", type=int, help="how many cases; by default the subject's own")
    parser.add_argument("--seed", type=int, help="a run that is to be repeated; else any")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(
            f"unknown subject {', '.join(sorted(unknown))}: expected {', '.join(SUBJECTS)}"
        )
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    failed = 0
    for subject in arguments.subjects or SUBJECTS:
        folder = Path(tempfile.mkdtemp(prefix=f"bridge-soak-{subject}-"))
        print(f"{subject}: seed {seed}, logs and failing cases in {folder}", flush=True)
        soak = importlib.import_module(f"tests.soak.{subject}").soak
        for report in uvloop.run(soak(arguments.count or SUBJECTS[subject], seed, folder)):
            print(report, flush=True)
            failed += len(report.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

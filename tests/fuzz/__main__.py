"""One case again: `python -m tests.fuzz SEED NUMBER` writes its bytes to standard output.

python -m tests.fuzz 4 1207 | nc 127.0.0.1 8080
"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.every import every

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("number", type=int)
    arguments = parser.parse_args()
    case = every(arguments.seed)(arguments.number)
    print(f"{case.name}; expected: {case.expected or 'anything'}", file=sys.stderr)
    sys.stdout.buffer.write(case.data)

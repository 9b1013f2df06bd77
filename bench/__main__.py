"""``python -m bench``: measure, and print the table. Called by bench/run, which makes what this needs."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench.crowded import measure_crowded
from bench.files import measure_files
from bench.forked import measure_forked
from bench.looked import measure_looked
from bench.machine import describe
from bench.model_server import serving
from bench.process import BenchError
from bench.programs import VENVS, Programs
from bench.proxied import measure_proxied
from bench.rows import measure_all
from bench.table import facts, table


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that containers are removed
    told = describe()
    # Beside the virtual environments, not in /tmp: that may be memory, where a durable write costs nothing.
    with tempfile.TemporaryDirectory(prefix="run-", dir=VENVS) as folder, serving() as server:
        programs = Programs(Path(folder), server)
        try:
            rows = measure_all(programs, starts=3 * options.runs, sessions=options.runs)
            rows += measure_looked(programs, runs=options.runs)
            rows += measure_forked(Path(folder) / "forked", runs=options.runs)
            rows += measure_crowded(Path(folder) / "crowded", runs=options.runs)
            rows += measure_files(Path(folder) / "files", calls=30 * options.runs)
            rows += measure_proxied(Path(folder) / "proxied", requests=100 * options.runs)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    print(facts(told, markdown=options.markdown))
    print()
    print(table(rows, markdown=options.markdown))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure agentctl and mini-swe-agent side by side.")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="sessions of each kind; short commands thrice")
    parser.add_argument("--quick", action="store_true", help="two runs: does the benchmark work?")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if options.quick:
        options.runs = 2
    if options.runs < 1:
        parser.error("--runs must be 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m benchmarks [CASE ...]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from benchmarks import cases, report
from benchmarks.case import Options
from benchmarks.environment import environment
from benchmarks.running import Results, run
from benchmarks.tables import write


def main(arguments: list[str] | None = None) -> int:
    """Run the cases that are named, or all; return 0, or 2 where a name is none of theirs."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.cases if name not in cases.NAMES]
    if unknown:
        sys.stderr.write(
            f"{', '.join(unknown)}: no such case; the cases are: {', '.join(cases.NAMES)}\n"
        )
        return 2
    chosen = [cases.case(name) for name in options.cases or cases.NAMES]
    if options.list:
        for case in chosen:
            sys.stdout.write(f"{case.name:<24}{case.summary}\n")
        return 0
    about = environment() | {"small": options.small}
    sys.stdout.write(", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    results = Results()
    for case in chosen:
        sys.stdout.write(report.heading(case) + report.header())
        run(case, Options(options.small, options.tree), options.repetitions, results, _tell)
    sys.stdout.write("\n" + report.growth(results.table("growth")))
    sys.stdout.write(report.losses(results.table("curves")))
    for name, reason in results.left_out.items():
        sys.stdout.write(f"{name} was left out: {reason}\n")
    for name in ("timings", "ratios", "growth", "curves"):
        write(results.table(name), options.results / f"{name}.parquet", about)
    if not options.no_figures:
        from benchmarks.figure import draw

        draw(results, options.results / "figures", "small" if options.small else "full")
    sys.stdout.write(f"tables and figures: {options.results}\n")
    return 0


def _tell(found: pd.DataFrame) -> None:
    for row in found.to_dict("records"):
        sys.stdout.write(report.line(row))
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time our code beside named references; nothing fails because it is slow.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names of cases; all by default")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    parser.add_argument("--repetitions", type=_positive, help="how often each side is timed")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results/performance"),
        help="the folder for tables and figures",
    )
    parser.add_argument("--tree", type=Path, help="a copy of this project with a finished run")
    parser.add_argument(
        "--small", action="store_true", help="sizes that say nothing: whether every case runs"
    )
    parser.add_argument("--no-figures", action="store_true", help="tables alone")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} repetitions; at least one is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())

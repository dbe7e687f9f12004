"""What Snakemake's look at a run costs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.case import Aim, Case, Comparison, Options
from benchmarks.references import bare_snakefile
from benchmarks.timing import timed
from benchmarks.trees import copied, snakemake

AIM = Aim("ratio", 1 / 1.5)
SMALL = ("--config", "scale=smoke", "studies=[implicit]")


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the dry run of a tree without results, and of a finished run if there is one."""
    settings = SMALL if options.small else ()
    with TemporaryDirectory() as folder:
        tree = copied(Path(folder, "ours"))
        yield _compared("nothing made", tree, Path(folder, "bare"), settings)
        yield Comparison(
            series="nothing made, no plan kept",
            size="",
            ours=timed(partial(first_look, tree, *settings)),
            warm_up=(),
        )
    if options.tree is not None:
        with TemporaryDirectory() as folder:
            bare = Path(folder, "bare")
            yield _compared("all made", options.tree, bare, (), finished=True)


def _compared(
    series: str, tree: Path, bare: Path, settings: tuple[str, ...], *, finished: bool = False
) -> Comparison:
    bare.mkdir()
    jobs = bare_snakefile.jobs(snakemake(tree, "-n", "--forceall", *settings))
    rules = len(snakemake(tree, "--list-rules", "--quiet", "all", *settings).split())
    bare_snakefile.write(bare, jobs, rules)
    if finished:
        snakemake(bare, "--cores", "all", "--max-jobs-per-second", "1000", "--quiet", "all")
    files = sum(len(job.outputs) for job in jobs)
    return Comparison(
        series=series,
        size=f"{len(jobs)} jobs, {files} files",
        ours=timed(partial(snakemake, tree, "-n", *settings)),
        reference=timed(partial(snakemake, bare, "-n")),
        aims=(AIM,),
        difference=lambda ours, reference: abs(due(ours) - due(reference)),
        tolerance=0,
        warm_up=(),
    )


def first_look(tree: Path, *settings: str) -> str:
    """Return what a dry run prints that has to make the plan, and to digest all sources."""
    shutil.rmtree(tree / ".snakemake/iclbench", ignore_errors=True)
    return snakemake(tree, "-n", *settings)


def due(printed: str) -> int:
    """Return how many jobs a dry run says are to be done."""
    return len(bare_snakefile.jobs(printed))


CASE = Case(
    name="dry_run",
    summary="snakemake -n of this project, which says what is to be done, where the plan is kept "
    "from the last start (aim: at most 1.5 times what the bare one takes), and where it is not",
    reference="a bare Snakefile with as many rules, jobs, files and edges between them, whose "
    "commands only touch their outputs",
    comparisons=comparisons,
    repetitions=3,
)

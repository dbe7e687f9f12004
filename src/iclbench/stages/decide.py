"""Decide claims from rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from iclbench.claims.claim import Claim
from iclbench.claims.scorecard import make_record, write_verdicts
from iclbench.claims.verdicts import decide
from iclbench.records import read
from iclbench.stages.job import read_job


def decide_claims(plan: Path, verdicts: Path, rows: Sequence[Path]) -> None:
    """Decide claims of a study.

    Args:
        plan: The job's plan: the study, its claims and controls, and the tables of rows that they
            speak of.
        verdicts: The Parquet file to write, one row a claim.
        rows: The files of these tables, in the same order.
    """
    job = read_job(plan)
    settings = job.settings
    tables = dict(zip(settings["tables"], map(read, rows), strict=True))
    records = []
    for described in settings["claims"]:
        claim = Claim.model_validate(described["claim"])
        found = [tables[name] for name in described["tables"]]
        evidence = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
        name = f"{settings['study']}/{described['name']}"
        records.append(
            make_record(
                claim,
                decide(claim, evidence, settings["scale"], name),
                study=settings["study"],
                name=described["name"],
                control=described["control"],
                paper=settings["paper"],
                scale=settings["scale"],
                root=settings["root"],
                evidence=described["tables"],
                config=described["config"],
                code=job.code,
            )
        )
    write_verdicts(verdicts, records)

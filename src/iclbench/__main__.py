"""The command line: what people ask, and one subcommand a stage, which the workflow calls."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run a stage; return 0, or 1 after a sentence on what went wrong and what to do next."""
    options = vars(command_line().parse_args(arguments))
    stage = options.pop("stage")
    usage = options.pop("usage", None)
    # Imported here: a stage pays for what it uses and for nothing else.
    match stage:
        case "prompts":
            from iclbench.stages.prompts import draw_prompts as run
        case "train":
            from iclbench.stages.train import train_model as run
        case "predict":
            from iclbench.stages.predict import predict_task as run
        case "measure":
            from iclbench.stages.measure import measure as run
        case "examine":
            from iclbench.stages.examine import examine as run
        case "draw":
            from iclbench.stages.draw import draw_figure as run
        case "decide":
            from iclbench.stages.decide import decide_claims as run
        case "report":
            from iclbench.stages.report import report as run
        case "explore":
            from iclbench.stages.explore import explore as run
        case "describe":
            from iclbench.stages.describe import describe as run
        case "strict":
            from iclbench.stages.report import check_expected as run
        case "schema":
            from iclbench.config.schema import write_schemas as run
        case "show":
            from iclbench.commands.show import show_settings as run
        case "sample":
            from iclbench.commands.sample import draw_sample as run
        case "trace":
            from iclbench.commands.trace import trace_figure as run
        case "why":
            from iclbench.commands.why import explain_run as run
        case "merge":
            from iclbench.commands.merge import merge_results as run
        case _:
            from iclbench.commands.listing import show_list as run

            options["what"] = stage
    from iclbench.files import JobError

    began = time.perf_counter()
    try:
        run(**options)
        if usage is not None:
            from iclbench.usage import write_usage

            write_usage(usage, began)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (JobError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all that the command line takes."""
    parser = argparse.ArgumentParser(prog="python -m iclbench", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--usage", type=Path, help="the TSV file to write time and memory to")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    prompts = stages.add_parser(
        "prompts", parents=[common], help="draw a task's evaluation prompts"
    )
    prompts.add_argument("plan", type=Path, help="the job's plan (results/plan/prompts/…)")
    prompts.add_argument("output", type=Path, help="the safetensors file to write")

    train = stages.add_parser(
        "train", parents=[common], help="train a model on a task, all seeds at once"
    )
    train.add_argument("plan", type=Path, help="the job's plan (results/plan/train/…)")
    train.add_argument("--model", type=Path, required=True, help="the safetensors file to write")
    train.add_argument("--rows", type=Path, required=True, help="the training curves to write")
    train.add_argument(
        "--checkpoints", type=Path, required=True, help="the folder to resume from and save to"
    )
    train.add_argument(
        "--checkpoint-every",
        default=os.environ.get("ICLBENCH_CHECKPOINT_EVERY", "60 s"),
        help="time or steps between two checkpoints: '60 s' (the default) or '500 steps'; also "
        "read from $ICLBENCH_CHECKPOINT_EVERY",
    )

    predict = stages.add_parser(
        "predict", parents=[common], help="run every method on a task's prompts"
    )
    predict.add_argument("plan", type=Path, help="the job's plan (results/plan/predict/…)")
    predict.add_argument("--prompts", type=Path, required=True, help="the evaluation prompts")
    predict.add_argument(
        "--models", type=Path, nargs="*", default=[], help="the trained models, one file each"
    )
    predict.add_argument("--rows", type=Path, required=True, help="the Parquet file to write")

    measure = stages.add_parser(
        "measure", parents=[common], help="measure what one study alone measures"
    )
    measure.add_argument("plan", type=Path, help="the job's plan (results/plan/measure/…)")
    measure.add_argument("--rows", type=Path, required=True, help="the Parquet file to write")

    examine = stages.add_parser(
        "examine", parents=[common], help="measure what one study alone measures of methods"
    )
    examine.add_argument("plan", type=Path, help="the job's plan (results/plan/examine/…)")
    examine.add_argument("--prompts", type=Path, required=True, help="the evaluation prompts")
    examine.add_argument(
        "--models", type=Path, nargs="*", default=[], help="the trained models, one file each"
    )
    examine.add_argument("--rows", type=Path, required=True, help="the Parquet file to write")

    draw = stages.add_parser("draw", parents=[common], help="draw a figure from rows")
    draw.add_argument("plan", type=Path, help="the job's plan (results/plan/draw/…)")
    draw.add_argument("--figure", type=Path, required=True, help="the PDF; PNG and table beside it")
    draw.add_argument("--rows", type=Path, nargs="+", required=True, help="Parquet files of rows")

    decide = stages.add_parser("decide", parents=[common], help="decide claims from rows")
    decide.add_argument("plan", type=Path, help="the job's plan (results/plan/decide/…)")
    decide.add_argument("--verdicts", type=Path, required=True, help="the Parquet file to write")
    decide.add_argument("--rows", type=Path, nargs="*", default=[], help="Parquet files of rows")

    report = stages.add_parser(
        "report", parents=[common], help="gather verdicts into the scorecard"
    )
    report.add_argument("--verdicts", type=Path, nargs="*", default=[], help="one file a study")
    report.add_argument("--table", type=Path, required=True, help="the Parquet file to write")
    report.add_argument("--page", type=Path, required=True, help="the HTML page to write")

    explore = stages.add_parser(
        "explore", parents=[common], help="write the page on which rows can be looked through"
    )
    explore.add_argument("--rows", type=Path, nargs="+", required=True, help="files of rows")
    explore.add_argument("--page", type=Path, required=True, help="the HTML page to write")

    describe = stages.add_parser(
        "describe", parents=[common], help="write the page of all settings of a run"
    )
    describe.add_argument("plan", type=Path, help="the job's plan (results/plan/describe/…)")
    describe.add_argument("--page", type=Path, required=True, help="the HTML page to write")

    strict = stages.add_parser(
        "strict", parents=[common], help="fail if a verdict is not as expected"
    )
    strict.add_argument("table", type=Path, help="the scorecard's Parquet file")

    schema = stages.add_parser(
        "schema", parents=[common], help="write the JSON schemas of the settings files"
    )
    schema.add_argument("folder", type=Path, help="the folder to write to (config/schema)")
    _add_commands(stages)
    return parser


def _add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what people ask, in the folder of a run."""
    scaled = argparse.ArgumentParser(add_help=False)
    scaled.add_argument("--scale", help="a file in config/scales, in place of config.yaml's")
    for room in ("tasks", "models", "methods", "studies", "claims"):
        commands.add_parser(room, parents=[scaled], help=f"list the {room} that there are")
    show = commands.add_parser(
        "show", parents=[scaled], help="print all settings of one thing, and which file says each"
    )
    show.add_argument("name", help="a task, model, solver, study, variant, STUDY/CLAIM, or run")
    sample = commands.add_parser("sample", parents=[scaled], help="draw a prompt of a task")
    sample.add_argument("task", help="a file in config/tasks")
    sample.add_argument("--output", type=Path, help="the PNG or PDF (results/samples/TASK.png)")
    trace = commands.add_parser("trace", parents=[scaled], help="say what is behind a figure")
    trace.add_argument("figure", type=Path, help="the figure's file, or its name")
    why = commands.add_parser(
        "why", parents=[scaled], help="say what the next run will do again, why, at what cost"
    )
    why.add_argument("targets", nargs="*", help="what Snakemake would be given (everything)")
    why.add_argument("--cores", type=int, help="on how many cores it would run (all)")
    merge = commands.add_parser("merge", help="merge the rows of several machines' results")
    merge.add_argument("sources", type=Path, nargs="+", help="folders of results")
    merge.add_argument("--output", type=Path, required=True, help="the new folder of results")


if __name__ == "__main__":
    from iclbench.warm import ask

    status = ask(sys.argv[1:])
    sys.exit(main() if status is None else status)

# The plan of the run: settings are read and checked here, before any job starts, where anything has
# changed since the last start. Everything that determines a job's result is written to its plan,
# which the job then reads as its input.

import atexit
import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Rules call `python -m iclbench`: the sources that stand beside this workflow, and unless Snakemake
# sets up an environment itself, the Python that runs it, also where it was started by its path.
SOURCES = Path(workflow.current_basedir).parent.parent / "src"
sys.path.insert(0, str(SOURCES))
# What was loaded before, as by the view of the run, may be of another tree.
for name in [name for name in sys.modules if name.partition(".")[0] == "iclbench"]:
    del sys.modules[name]
JOBS_SEE = f"export PYTHONPATH={shlex.quote(str(SOURCES))}; "
if not workflow.deployment_settings.deployment_method:
    JOBS_SEE += f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "

INSTALL = (
    "install what the workflow needs into Snakemake's Python: "
    "python -m pip install -c constraints.txt -e ."
)
try:
    from iclbench.config.faults import ConfigError, meant
    from iclbench.outlook import look
    from iclbench.warm import start
except ModuleNotFoundError as error:
    raise WorkflowError(f"{error}; {INSTALL}")

try:
    RUN = look(config, Path("config"), Path(".snakemake/iclbench"))
except ModuleNotFoundError as error:
    raise WorkflowError(f"{error}; {INSTALL}")
except ConfigError as error:
    raise WorkflowError(str(error))
PLAN = RUN.plan
# Where results are on a volume that machines share and not here, plans are there too.
STORAGE = workflow.storage_settings
VOLUME = (
    STORAGE.default_storage_prefix if STORAGE.default_storage_provider == "fs" else ""
)
TAKE_BACK = PLAN.write(Path(VOLUME, "results/plan"))
# Whether this run only looks at what is to be done is not known before it has.
atexit.register(lambda: TAKE_BACK() if workflow.dryrun else None)
STARTED = time.time_ns()

# In the environment, and so no part of what determines a result.
JOBS_SEE += f"export ICLBENCH_CHECKPOINT_EVERY='{RUN.checkpoint_every}'; "
shell.prefix(JOBS_SEE)


wildcard_constraints:
    task="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
    study="[a-z][a-z0-9_]*",
    decided="|".join(PLAN.decisions),


onstart:
    # Each time that Snakemake has looked for jobs to start it looks again a second later, and again
    # after each of these looks, so that hundreds of jobs take a fifth of a core. All this is for the
    # limit to jobs a second, which jobs of this machine need not.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # Jobs of this machine and of this Python fork from one process that has loaded what they need.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        start(SOURCES)


onsuccess:
    if set(workflow.dag_settings.targets) <= {"all", "default"}:
        # The folder of rows is read as one table: what a whole run does not make is not part of it.
        for path in PLAN.stale(Path("results")):
            path.unlink()
    tell_verdicts()


def tell_verdicts():
    """Print the verdicts that this run has come to."""
    files = (Path(f"results/claims/{decided}.parquet") for decided in PLAN.decisions)
    new = [
        path for path in files if path.exists() and path.stat().st_mtime_ns > STARTED
    ]
    if new:
        from iclbench.claims.scorecard import read_verdicts
        from iclbench.claims.terminal import as_text

        verdicts = read_verdicts(new).drop_duplicates("id")
        print(as_text(verdicts, colour=sys.stdout.isatty()))


def grouped(name):
    # Jobs of seconds go to a cluster together; on one machine each has a core as soon as one is free.
    return lambda wildcards: None if workflow.local_exec else name


def job_of_run(job, wildcards):
    """Return the name of a job, ``stage/name``, if this run has it."""
    name = job.format(**wildcards)
    if name not in PLAN.texts:
        stage = Path(name).parts[0]
        jobs = [each for each in PLAN.texts if Path(each).parts[0] == stage]
        listed = "`python -m iclbench studies` and `tasks` list what there is"
        hint = meant(name, jobs) or listed
        raise WorkflowError(f"{name} is no job of this run; {hint}")
    return name


def plan_of(job):
    return lambda wildcards: f"results/plan/{PLAN.file(job_of_run(job, wildcards))}"


def memory_of(job):
    return lambda wildcards: max(2000, RUN.megabytes[job_of_run(job, wildcards)])


def models_of(wildcards):
    models = PLAN.models[wildcards.study, wildcards.task]
    return [f"results/models/{wildcards.task}/{model}.safetensors" for model in models]


def prompts_examined(wildcards):
    task, _ = PLAN.examined[tuple(wildcards.measured.split("/"))]
    return f"results/prompts/{task}.safetensors"


def models_examined(wildcards):
    task, models = PLAN.examined[tuple(wildcards.measured.split("/"))]
    return [f"results/models/{task}/{model}.safetensors" for model in models]


def rows_of(wildcards):
    tables = PLAN.figures[wildcards.figure].tables
    return [f"results/metrics/{table}.parquet" for table in tables]


def evidence_of(wildcards):
    tables = PLAN.decisions[wildcards.decided].tables
    return [f"results/metrics/{table}.parquet" for table in tables]


def study_of(wildcards):
    return PLAN.figures[wildcards.figure].study


def labels_of(wildcards):
    figure = PLAN.figures[wildcards.figure]
    return {
        "figure": figure.kind,
        "task": figure.task or "all",
        "methods": figure.methods,
    }

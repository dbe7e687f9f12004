"""Draw the prompts that every method is evaluated on."""

from __future__ import annotations

from pathlib import Path

from iclbench.files import save_arrays
from iclbench.stages.job import read_family, read_job
from iclbench.streams import stream


def draw_prompts(plan: Path, output: Path) -> None:
    """Draw a task's evaluation prompts, with what the best predictors would say.

    Args:
        plan: The job's plan: task, number of prompts, root of the random streams.
        output: A safetensors file with ``inputs`` (B,T,p), ``outputs`` (B,T,q), ``oracle`` (B,T,q)
            of a predictor that knows f, ``bayes`` (B,T,q) where computable, and ``truth.NAME``.
    """
    job = read_job(plan)
    task = job.settings["task"]
    family = read_family(task)
    rng = stream(job.settings["root"], task["name"], "evaluation")
    prompts = family.sample(rng, job.settings["prompts"], task["length"])
    arrays = {"inputs": prompts.inputs, "outputs": prompts.outputs, "oracle": prompts.clean}
    bayes = family.bayes(prompts)
    if bayes is not None:
        arrays["bayes"] = bayes
    arrays |= {f"truth.{name}": array for name, array in prompts.truth.items()}
    power = family.output_power
    if power is None:
        power = float((prompts.outputs**2).mean())
    save_arrays(arrays, output, {"power": power, "config": job.config, "code": job.code})

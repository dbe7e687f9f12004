"""A prompt of a task, drawn as a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from iclbench.commands.run import read_run
from iclbench.config.faults import nearest
from iclbench.files import JobError
from iclbench.streams import stream


def draw_sample(task: str, output: Path | None = None, scale: str | None = None) -> None:
    """Draw the first evaluation prompt of a task, the same one that a run evaluates on.

    Args:
        task: The name of a file in config/tasks.
        output: The picture's path, ending with .png or .pdf; by default results/samples/TASK.png.
        scale: The scale; by default the run's.

    Raises:
        JobError: If there is no such task, or the picture's kind is not known.
    """
    config = read_run(scale)
    if task not in config.tasks:
        raise JobError(f"{task!r} is no task; {nearest(task, config.tasks)}")
    path = output or Path("results", "samples", f"{task}.png")
    if path.suffix not in (".png", ".pdf"):
        raise JobError(f"{path}: a picture is a .png or a .pdf; give such a name")
    file = config.tasks[task]
    rng = stream(config.run.seed, task, "evaluation")
    prompts = file.family.sample(rng, config.scale.prompts, file.length)
    # Loaded last: a name that is wrong is answered at once.
    from iclbench.plotting.prompts import draw_prompt
    from iclbench.plotting.saving import write_picture

    figure = draw_prompt(
        f"{task}: {file.summary}",
        prompts.inputs[0],
        prompts.outputs[0],
        is_sequence=file.room == "dynamics",
    )
    write_picture(figure, path)
    sys.stdout.write(f"{path}\n")

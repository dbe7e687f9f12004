"""The run of the folder that a command is given in."""

from __future__ import annotations

from pathlib import Path

from iclbench.config.faults import ConfigError
from iclbench.config.reading import read_config, read_yaml
from iclbench.config.run import Config
from iclbench.files import JobError

SETTINGS = Path("config.yaml")
ROOMS = Path("config")


def read_run(scale: str | None = None) -> Config:
    """Return the settings of the run in the working folder.

    Args:
        scale: The name of a file in config/scales, in place of what config.yaml says.

    Raises:
        JobError: If the folder is none of a run, or its settings cannot be used.
    """
    if not SETTINGS.is_file() or not ROOMS.is_dir():
        raise JobError(
            f"{Path.cwd()}: no {SETTINGS} and {ROOMS}/ here; go to the folder that holds them"
        )
    try:
        said = read_yaml(SETTINGS)
        return read_config(said | ({} if scale is None else {"scale": scale}), ROOMS)
    except ConfigError as error:
        raise JobError(str(error)) from error

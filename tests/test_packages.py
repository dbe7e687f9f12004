"""pyproject.toml, constraints.txt and environment.yml name the same packages and versions."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "snakemake": "snakemake-minimal",
}


def requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def locked():
    """Return the versions of constraints.txt that Python 3.11 gets."""
    versions = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate(
                {"python_full_version": "3.11.9"}
            ):
                versions[requirement.name] = str(requirement.specifier).removeprefix("==")
    return versions


def test_every_version_is_exact():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.match(r"^[\w.-]+==[\w.!]+( ;.*)?$", line) for line in pins)


def test_constraints_satisfy_the_project():
    versions = locked()
    for requirement in requirements():
        assert requirement.specifier.contains(versions[requirement.name]), requirement


def test_environment_has_the_same_packages_in_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = dict(item.split("=") for item in environment["dependencies"])
    assert conda.pop("python") == "3.11"
    versions = locked()
    assert conda == {
        CONDA_NAMES.get(requirement.name, requirement.name): versions[requirement.name]
        for requirement in requirements()
    }


def test_malicious_releases_are_excluded():
    lightning = next(item for item in requirements() if item.name == "pytorch-lightning")
    assert not lightning.specifier.contains("2.6.2")
    assert not lightning.specifier.contains("2.6.3")

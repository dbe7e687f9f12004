# make        set up, run the benchmark at the scale of config.yaml, write the report
# make test   the tests, the whole workflow at smoke scale included
# make test-slow  what takes longer: faults tried for real, every example of the documentation
# make lint   format, lint and types, of Python and of the workflow
# make cluster  the profiles for Slurm and Kubernetes, tried
# make docs   the documentation as a site: docs/_build/site/index.html
# make bench  our code beside plain references, in twenty minutes on an idle machine
# make clean  remove everything that runs generate

PYTHON ?= python3
BIN := .venv/bin

.PHONY: all setup test test-slow lint docs cluster bench format schema clean
all: setup
	$(BIN)/snakemake --cores all
	$(BIN)/snakemake --report results/report.html

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	touch $@

test: setup
	$(BIN)/pytest -n 2 -m "not slow"

test-slow: setup
	$(BIN)/pytest -n 2 -m slow

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/pyright
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/hadolint Dockerfile

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/site

# A Slurm of one node on this machine, as root (apt-get install slurm-wlm munge), and Kubernetes' schema.
cluster: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cluster]"
	$(BIN)/pytest tests/cluster

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks $(if $(wildcard results/benchmarks/train),--tree .)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow

schema: setup
	$(BIN)/python -m iclbench schema config/schema

clean:
	find results -mindepth 1 -not -name README.md -delete
	rm -rf .snakemake docs/_build

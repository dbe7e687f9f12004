# The locked environment and this tree. What runs make goes to a folder of yours:
#   docker build -t iclbench .
#   docker run --user "$(id -u)" -v "$PWD/results:/iclbench/results" iclbench --cores all
FROM python:3.11-slim-bookworm

# A C++ compiler for networks of the papers' sizes (training.compile), and rsync for results on a
# volume (storage plugin fs). Versions are not pinned, as Debian keeps the newest ones alone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ rsync \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /iclbench
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m pip install --no-cache-dir -c constraints.txt -e ".[kubernetes]"
COPY . .

# Whoever runs it owns the results; Snakemake keeps its books here, and caches are left in HOME.
RUN useradd --uid 1000 iclbench && install -d -m 1777 .snakemake results
ENV HOME=/tmp USER=iclbench
USER 1000
ENTRYPOINT ["snakemake"]
CMD ["--cores", "all"]

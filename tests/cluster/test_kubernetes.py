"""What a run on Kubernetes asks a cluster for, and what comes of it.

The cluster is an API server in this process, which takes Kubernetes' own requests, and which runs a
pod as a process in a folder of its own, if it runs it at all.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.workflow.trees import fresh_tree

pytestmark = [
    pytest.mark.dag,
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_kubernetes") is None
        or find_spec("kubernetes_validate") is None,
        reason="needs the extra cluster",
    ),
]

PROMPTS = "prompts/haar.safetensors"
GPU = ("gpu=1", "gpu_manufacturer=nvidia", "scale=0")  # as in the profile


@dataclass
class Cluster:
    """Jobs and secrets that were asked for, and what became of each job."""

    pods: Path | None
    jobs: list[dict] = field(default_factory=list)
    secrets: list[dict] = field(default_factory=list)
    status: dict[str, dict] = field(default_factory=dict)

    def submit(self, job):
        self.jobs.append(job)
        name = job["metadata"]["name"]
        self.status[name] = {"failed": 1}
        if self.pods is not None:
            self.status[name] = {"active": 1}
            threading.Thread(target=self.run, args=(name, job), daemon=True).start()

    def run(self, name, job):
        """Run a pod's container where there is nothing but what is in the image."""
        (container,) = job["spec"]["template"]["spec"]["containers"]
        folder = self.pods / name
        folder.mkdir(parents=True)
        here = {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (folder / "log").open("w") as log:
            done = subprocess.run(
                [*container["command"], *container["args"]],
                cwd=folder,
                env={"PATH": path} | here,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        self.status[name] = {"failed": 1} if done.returncode else {"succeeded": 1}


class Answers(BaseHTTPRequestHandler):
    def __init__(self, cluster, *arguments):
        self.cluster = cluster
        super().__init__(*arguments)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path.split("/")[1:]:
            case ["apis", "batch", "v1", "namespaces", _, "jobs"]:
                self.cluster.submit(asked)
            case ["api", "v1", "namespaces", _, "secrets"]:
                self.cluster.secrets.append(asked)
            case _:
                return self.answer({"message": f"not known here: {self.path}"}, 404)
        return self.answer(asked, 201)

    def do_GET(self):
        match self.path.partition("?")[0].split("/")[1:]:
            case ["apis", "batch", "v1", "namespaces", _, "jobs", name, "status"]:
                return self.answer({"status": self.cluster.status[name]})
            case ["api", "v1", "namespaces", _, "pods"]:
                return self.answer({"items": []})
        return self.answer({"message": f"not known here: {self.path}"}, 404)

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer({"status": "Success"})

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a function that brings up a cluster, as what kubectl is set to."""
    servers = []

    def serve(pods=None):
        cluster = Cluster(pods)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answers, cluster))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [
                {
                    "name": "here",
                    "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"},
                }
            ],
            "users": [{"name": "me", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        return cluster

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def settings(tmp_path):
    """Return the profile, with the volume for the results."""
    volume = tmp_path / "volume"
    volume.mkdir(exist_ok=True)
    return (
        *("--profile", "workflow/profiles/kubernetes"),
        *("--default-storage-prefix", str(volume)),
        *("--kubernetes-persistent-volumes", f"results:{volume}"),
    )


def git_tree(path):
    """Return a copy of the tree that is a repository: what git knows of goes to the pods."""
    tree = fresh_tree(path)
    subprocess.run(["git", "init", "-q"], cwd=path, check=True)
    subprocess.run(["git", "add", "."], cwd=path, check=True)
    return tree


def asked(job):
    """Return the resources of a job's container, after holding the job against the schema."""
    import kubernetes_validate

    # The address says what it is; the server fills it in.
    full = {"apiVersion": "batch/v1", "kind": "Job"} | job
    kubernetes_validate.validate(full, "1.37", strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container["resources"]


def test_pods_are_valid_and_ask_for_what_the_rule_says(tmp_path, served):
    cluster = served()
    tree = git_tree(tmp_path / "tree")
    run = tree.start(f"results/{PROMPTS}", *settings(tmp_path))
    output, _ = run.communicate()
    assert run.returncode != 0, output
    (job,) = cluster.jobs
    requests = asked(job)["requests"]
    assert (requests["cpu"], requests["memory"]) == ("950m", "2000M")
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "iclbench"
    assert {"name": "results", "mountPath": str(tmp_path / "volume")} in (
        pod["containers"][0]["volumeMounts"]
    )
    assert pod["restartPolicy"] == "Never"


def test_a_gpu_is_a_limit_as_well(tmp_path, served):
    cluster = served()
    tree = git_tree(tmp_path / "tree")
    gpu = ("--set-resources", *(f"draw_prompts:{said}" for said in GPU))
    tree.start(f"results/{PROMPTS}", *settings(tmp_path), *gpu).communicate()
    (job,) = cluster.jobs
    resources = asked(job)
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"


@pytest.mark.skipif(shutil.which("rsync") is None, reason="needs apt-get install rsync")
def test_a_pod_makes_the_same_bytes(tmp_path, served):
    """From the tree that comes with the job, with nothing else but what the image has."""
    served(pods=tmp_path / "pods")
    tree = git_tree(tmp_path / "tree")
    tree.snakemake(f"results/{PROMPTS}", *settings(tmp_path))
    other = fresh_tree(tmp_path / "other")
    other.snakemake(f"results/{PROMPTS}", "--cores", "1")
    made = (tmp_path / "volume/results" / PROMPTS).read_bytes()
    assert made == (other.path / "results" / PROMPTS).read_bytes()

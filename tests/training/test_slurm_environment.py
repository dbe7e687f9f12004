"""Within a job of Slurm, training is one process still, whatever Slurm says of tasks."""

from iclbench.models.attention_only import AttentionOnly
from iclbench.tasks.dynamics.haar import Haar
from iclbench.training.settings import Training
from iclbench.training.train import train
from iclbench.training.trained import save

SAID = {
    "SLURM_CPUS_ON_NODE": "8",
    "SLURM_JOB_ID": "17",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_LOCALID": "3",
    "SLURM_NNODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_NODELIST": "node[1-2]",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_PROCID": "7",
    "SRUN_CPUS_PER_TASK": "2",
}


def trained_bytes(folder):
    plan = Training(steps=12, batch=4, learning_rate=1e-2, log_every=4)
    task, model = Haar(kind="haar", dim=3), AttentionOnly(kind="attention_only")
    result = train(task, 5, model, plan, ("a",), (0, 1), folder, "f", checkpoint_every=5)
    save(result, folder / "model")
    return (folder / "model").read_bytes(), sorted(path.name for path in folder.glob("step-*"))


def test_training_is_the_same_whatever_slurm_says(tmp_path, monkeypatch):
    for name in SAID:
        monkeypatch.delenv(name, raising=False)
    alone = trained_bytes(tmp_path / "alone")
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    # What Lightning goes on from, in a job of Slurm, if it finds it where it runs.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_text("of another training")
    assert trained_bytes(tmp_path / "in_a_job") == alone

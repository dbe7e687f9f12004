"""A folder of settings as small as one can be, which tests change."""

TASK = "summary: Orbits.\nlength: 20\ndynamics: {kind: haar, dim: 5}\n"
SOLVER = "summary: Nothing.\nsolver: {kind: zero}\n"
MODEL = """\
summary: A small one.
model: {kind: gpt2, width: 16, heads: 2, layers: 2}
training: {steps: 10, batch: 4, learning_rate: 1e-3}
"""
METHODS = """\
summary: All.
tasks: all
models: all
solvers: all
"""
STUDY = METHODS + "figures: {leaderboard: {kind: leaderboard}}\n"
SCALE = "summary: Small.\nseeds: 2\nprompts: 8\n"
RUN = {"scale": "small"}


def write(folder):
    """Write a folder of settings without a fault, and return it."""
    for name, text in {
        "tasks/orbit": TASK,
        "solvers/zero": SOLVER,
        "models/tiny": MODEL,
        "studies/main": STUDY,
        "scales/small": SCALE,
    }.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir()
        path.write_text(text)
    return folder

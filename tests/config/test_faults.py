"""A bad setting stops everything, with file, key, value, what was expected and the nearest name."""

from itertools import pairwise

import pytest
from small_settings import MODEL, RUN, SCALE, SOLVER, STUDY, TASK, write

from iclbench.config.faults import ConfigError
from iclbench.config.reading import read_config


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


CLAIMS = (
    STUDY
    + """\
claims:
  small:
    statement: Zero is off by one.
    place: here
    provenance: derived
    evidence: [orbit]
    statistic: {kind: value}
    criterion: {below: 2}
    scales: [small]
"""
)


def test_good_settings_are_read(folder):
    config = read_config(RUN, folder)
    assert config.tasks["orbit"].family.input_dim == 5
    assert config.models["tiny"].training.learning_rate == 1e-3
    assert config.scale.seeds == 2


FAULTS = {
    "unknown key": (
        "tasks/orbit",
        TASK.replace("length", "lenght"),
        ["lenght: unknown key; did you mean 'length'?", "length: missing"],
    ),
    "unknown kind": (
        "tasks/orbit",
        TASK.replace("haar", "har"),
        ["dynamics.kind: 'har' is not a kind of dynamics; did you mean 'haar'?"],
    ),
    "no kind": (
        "tasks/orbit",
        TASK.replace("kind: haar, ", ""),
        ["dynamics.kind: missing; expected the name of a kind"],
    ),
    "unknown key of a kind": (
        "tasks/orbit",
        TASK.replace("dim", "dims"),
        ["dynamics.dims: unknown key; did you mean 'dim'?"],
    ),
    "not a number": (
        "tasks/orbit",
        TASK.replace("20", "twenty"),
        ["length: 'twenty' is refused, expected a valid integer", "number of pairs"],
    ),
    "too small": (
        "tasks/orbit",
        TASK.replace("20", "0"),
        ["length: 0 is refused, expected greater than or equal to 1"],
    ),
    "too large": (
        "tasks/orbit",
        TASK.replace("20", "1000000000"),
        ["length: 1000000000 is refused, expected less than or equal to 100000"],
    ),
    "not finite": (
        "models/tiny",
        MODEL.replace("1e-3", ".nan"),
        ["training.learning_rate: nan is refused, expected a finite number"],
    ),
    "infinite": (
        "models/tiny",
        MODEL.replace("1e-3", ".inf"),
        ["training.learning_rate: inf is refused, expected a finite number"],
    ),
    "both laws": (
        "tasks/orbit",
        TASK + "regression: {kind: linear, dim: 5}\n",
        ["a task has either dynamics or regression; give one of the two"],
    ),
    "no law": (
        "tasks/orbit",
        "summary: Nothing.\nlength: 20\n",
        ["a task has either dynamics or regression"],
    ),
    "training missing": (
        "models/tiny",
        MODEL.split("training")[0],
        ["this model is trained; say how under training"],
    ),
    "training of a construction": (
        "models/tiny",
        MODEL.replace(
            "{kind: gpt2, width: 16, heads: 2, layers: 2}",
            "{kind: recurrent, attention: {kind: delta}}",
        ),
        ["this model is built from given weights; remove training"],
    ),
    "not one of the values": (
        "models/tiny",
        MODEL.replace("1e-3}", "1e-3, schedule: cosin}"),
        ["training.schedule: 'cosin' is not one of its values; did you mean 'cosine'?"],
    ),
    "settings that contradict each other": (
        "models/tiny",
        MODEL.replace("1e-3}", "1e-3, train_set: 10}"),
        ["training: train_set (10) is not a multiple of batch (4); make it one"],
    ),
    "unknown name": (
        "studies/main",
        STUDY.replace("tasks: all", "tasks: [orbits]"),
        ["tasks: 'orbits' is no file in", "did you mean 'orbit'?"],
    ),
    "unknown figure": (
        "studies/main",
        STUDY.replace("{kind: leaderboard}", "{kind: leaderbord}"),
        ["figures.leaderboard.kind: 'leaderbord' is not one of its values", "'leaderboard'?"],
    ),
    "not a list": (
        "studies/main",
        STUDY.replace("tasks: all", "tasks: 3"),
        ["tasks: 3", "a valid list"],
    ),
    "not YAML": (
        "tasks/orbit",
        "summary: [unclosed\nlength: 3\n",
        ["line 2, column", "not valid YAML"],
    ),
    "repeated key": (
        "tasks/orbit",
        TASK + "length: 30\n",
        ["line 4, column 1", "the key 'length' is given twice; remove one"],
    ),
    "alias": (
        "tasks/orbit",
        "summary: &a [x]\nlength: *a\n",
        ["aliases are not allowed; write the value out"],
    ),
    "Python object": (
        "tasks/orbit",
        TASK.replace("20", "!!python/object/apply:os.system [date]"),
        ["not valid YAML", "could not determine a constructor"],
    ),
    "no mapping": ("tasks/orbit", "- 1\n", ["expected keys and values, found a list"]),
    "empty": ("tasks/orbit", "", ["expected keys and values, found nothing"]),
    "file name": ("tasks/Orbit-2", TASK, ["Orbit-2.yaml: rename it"]),
    "wrong ending": ("tasks/orbit.yml", TASK, ["orbit.yml: rename it"]),
    "name of a reference": ("solvers/bayes", SOLVER, ["'bayes' is a reference already; rename"]),
    "name of a model": ("solvers/tiny", SOLVER, ["'tiny' is", "models/tiny.yaml already; rename"]),
    "study of a reserved name": ("studies/training", STUDY, ["rename the file"]),
    "figure drawn twice": ("studies/other", STUDY, ["figure 'leaderboard' already; rename one"]),
    "figure that leaves the folder": (
        "studies/main",
        STUDY.replace("{leaderboard:", '{"../x y":'),
        ["'../x y'"],
    ),
    "no tasks": (
        "studies/main",
        STUDY.replace("tasks: all", "tasks: []"),
        ["figures.leaderboard: this study has no tasks to draw; name tasks"],
    ),
    "variant of nothing": (
        "studies/main",
        STUDY + "variants: {mine: {of: tinny}}\n",
        ["variants.mine.of: 'tinny' is no model or solver; did you mean 'tiny'?"],
    ),
    "variant that contradicts its file": (
        "studies/main",
        STUDY + "variants: {mine: {of: tiny, model: {heads: 3}}}\n",
        ["variants.mine.model: "],
    ),
    "variant with a name in use": (
        "studies/main",
        STUDY + "variants: {zero: {of: tiny}}\n",
        ["variants.zero: 'zero' is", "solvers/zero.yaml already; rename the variant"],
    ),
    "variant on no task": (
        "studies/main",
        STUDY + "variants: {mine: {of: tiny, tasks: [orbt]}}\n",
        ["variants.mine.tasks: 'orbt' is no file in", "did you mean 'orbit'?"],
    ),
    "figure of no table": (
        "studies/main",
        STUDY.replace("{kind: leaderboard}", "{kind: leaderboard, from: [orbits]}"),
        ["figures.leaderboard.from: 'orbits' is no measurement or task of this study", "'orbit'?"],
    ),
    "figure of a task with tables": (
        "studies/main",
        STUDY.replace("{kind: leaderboard}", "{kind: context, from: [orbit]}"),
        ["a figure of kind context is drawn for every task; remove from"],
    ),
    "claim without evidence": (
        "studies/main",
        CLAIMS.replace("[orbit]", "[orbits]"),
        ["claims.small.evidence: 'orbits' is no measurement or task", "did you mean 'orbit'?"],
    ),
    "claim of an unknown statistic": (
        "studies/main",
        CLAIMS.replace("{kind: value}", "{kind: valeu}"),
        ["claims.small.statistic.kind: 'valeu' is not a kind of", "did you mean 'value'?"],
    ),
    "claim without a criterion's number": (
        "studies/main",
        CLAIMS.replace("{below: 2}", "{below: two}"),
        ["claims.small.criterion"],
    ),
    "claim of an unknown scale": (
        "studies/main",
        CLAIMS.replace("[small]", "[small, bigg]"),
        ["claims.small.scales: 'bigg' is not a scale; expected one of: small"],
    ),
    "target of two claims": (
        "studies/main",
        CLAIMS + CLAIMS[CLAIMS.index("claims:") :].replace("claims:", "controls:"),
        ["controls.small: the target claim_main_small stands for claims.small", "rename one"],
    ),
    "claim shown in no figure": (
        "studies/main",
        CLAIMS + "    figure: leaderbord\n",
        ["claims.small.figure: 'leaderbord' is no figure of this study", "'leaderboard'?"],
    ),
    "task listed twice": (
        "studies/main",
        STUDY.replace("tasks: all", "tasks: [orbit, orbit]"),
        ["'orbit' is listed twice; remove one"],
    ),
    "a key that is a list": ("tasks/orbit", "? [a]\n: 1\n", ["a key is a list or a mapping"]),
    "too deep": ("tasks/orbit", "a: " + "[" * 3000 + "]" * 3000, ["nested too deeply"]),
    "scale of an unknown task": (
        "scales/small",
        SCALE + "tasks: {orbitt: {length: 3}}\n",
        ["tasks.orbitt: no such file", "did you mean 'orbit'?"],
    ),
    "scale with an unknown key": (
        "scales/small",
        SCALE + "tasks: {orbit: {lenght: 3}}\n",
        ["scales/small.yaml: tasks.orbit.lenght: unknown key; did you mean 'length'?"],
    ),
    "scale with a bad value": (
        "scales/small",
        SCALE + 'tasks: {"*": {length: -1}}\n',
        ["scales/small.yaml: tasks.*.length: -1 is refused"],
    ),
}


FAULTS |= {
    f"length of {name}": ("tasks/orbit", TASK.replace("20", value), messages)
    for name, value, messages in [
        ("a truth value", "true", ["length: true is refused, expected a number; write 1"]),
        ("a truth value in words", "yes", ["length: true is refused, expected a number"]),
        ("a date", "2024-01-01", ["length: datetime.date(2024, 1, 1) is refused"]),
        ("a date that is none", "2024-99-99", ["not valid YAML: month must be in 1..12"]),
        ("no number", ".nan", ["length: nan is refused, expected a finite number"]),
        ("infinity", "-.inf", ["length: -inf is refused, expected a finite number"]),
        ("a number beyond floats", "1.0e+999", ["length: inf is refused"]),
        ("a number beyond floats as text", "1e999", ["length: '1e999' is refused"]),
        ("a fraction", "20.5", ["length: 20.5 is refused", "fractional part"]),
        ("5000 digits", "9" * 5000, ["not valid YAML: Exceeds the limit"]),
        ("5000 hexadecimal digits", "0x" + "f" * 5000, ["a number too long to show is refused"]),
        ("a million letters", "x" * 900_000, ["length: 'xxx", "x… is refused"]),
        ("what is tagged a number", "!!int twenty", ["not valid YAML: invalid literal"]),
        ("a set", "!!set {a}", ["length: {'a'} is refused"]),
        ("bytes", "!!binary aGk=", ["length: b'hi' is refused"]),
        ("null", "~", ["length: None is refused"]),
        ("a function", "!!python/name:os.system", ["could not determine a constructor"]),
        ("an object", "!!python/object/new:os.system [x]", ["could not determine a constructor"]),
        (
            "a full tag",
            "!<tag:yaml.org,2002:python/object/apply:os.system> [x]",
            ["could not determine a constructor"],
        ),
        ("a shell command", '"$(touch here)"', ["length: '$(touch here)' is refused"]),
    ]
} | {
    "infinite rate": (
        "models/tiny",
        MODEL.replace("1e-3", "1e999"),
        ["training.learning_rate: '1e999' is refused, expected a finite number"],
    ),
    "truth value in a nested setting": (
        "models/tiny",
        MODEL.replace("heads: 2", "heads: on"),
        ["model.heads: true is refused, expected a number; write 1"],
    ),
    "truth value in a scale": (
        "scales/small",
        SCALE + "tasks: {orbit: {length: true}}\n",
        ["scales/small.yaml: tasks.orbit.length: true is refused"],
    ),
    "bomb of aliases": (
        "tasks/orbit",
        "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghij")),
        ["line 2, column 8", "aliases are not allowed"],
    ),
    "merge": (
        "tasks/orbit",
        TASK + "<<: {length: 3}\n",
        ["line 4, column 1", "merge keys (<<) are not allowed; write the settings out"],
    ),
    "too many keys": (
        "tasks/orbit",
        TASK + "".join(f"key{number}: 1\n" for number in range(3000)),
        ["key0: unknown key", "key49: unknown key", "and 2950 more faults; is it settings?"],
    ),
    "too large a file": ("tasks/orbit", TASK + "# " + "x" * 10**6, ["1,000,000 bytes; is it"]),
    "binary": ("tasks/orbit", "summary: \0\n", ["not valid YAML", "control characters"]),
    "task named by a path": (
        "studies/main",
        STUDY.replace("tasks: all", "tasks: [../orbit]"),
        ["tasks: '../orbit' is no file in", "did you mean 'orbit'?"],
    ),
    "task file of a shell's name": ("tasks/a;touch b", TASK, ["a;touch b.yaml: rename it"]),
    "task file of a hidden name": ("tasks/..orbit", TASK, ["..orbit.yaml: rename it"]),
    "measurement named for a shell": (
        "studies/main",
        STUDY + "measurements: {'$(touch b)': {kind: newton_rates}}\n",
        ["'$(touch b)'"],
    ),
    "figure named for a shell": (
        "studies/main",
        STUDY.replace("{leaderboard:", '{"a; touch b":'),
        ["'a; touch b'"],
    ),
    "variant named for a shell": (
        "studies/main",
        STUDY + "variants: {'`touch b`': {of: tiny}}\n",
        ["'`touch b`'"],
    ),
    "claim named for a shell": (
        "studies/main",
        CLAIMS.replace("  small:", "  'a|b':"),
        ["'a|b'"],
    ),
    "prompts beyond memory": (
        "scales/small",
        SCALE.replace("8", "1000000") + "tasks: {orbit: {length: 100000}}\n",
        [
            "scales/small.yaml: tasks.orbit.length: study main: 1,000,000 prompts of 100,000 pairs",
            "GB at least, and a job may take 64; lower length, its dimensions, or prompts",
            "or raise memory in config.yaml",
        ],
    ),
    "dimensions beyond memory": (
        "tasks/orbit",
        TASK.replace("20", "100000").replace("dim: 5", "dim: 4096"),
        ["orbit.yaml: length: study main: 8 prompts of 100,000 pairs of 4,096 and 4,096 numbers"],
    ),
    "two documents": ("models/tiny", MODEL + "---\n", ["but found another document"]),
}


@pytest.mark.parametrize(("name", "text", "messages"), FAULTS.values(), ids=FAULTS)
def test_fault(folder, name, text, messages):
    path = folder / (name if name.endswith(".yml") else f"{name}.yaml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(RUN, folder)
    said = str(caught.value)
    assert path.name in said
    for message in messages:
        assert message in said


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"scale": "smal"}, "config.yaml: scale: 'smal' is not a scale; did you mean 'small'?"),
        ({}, "config.yaml: scale: missing"),
        ({"scale": "small", "sead": 3}, "config.yaml: sead: unknown key; did you mean 'seed'?"),
        ({"scale": ["small"]}, "config.yaml: scale: ['small'] is refused"),
        ({"scale": "small", "checkpoint_every": 60}, "config.yaml: checkpoint_every: 60 is"),
        ({"scale": "small", "seed": -1}, "config.yaml: seed: -1 is refused"),
        ({"scale": "small", "studies": ["mian"]}, "config.yaml: studies: 'mian' is no file"),
    ],
)
def test_fault_of_the_run(folder, run, message):
    with pytest.raises(ConfigError) as caught:
        read_config(run, folder)
    assert message in str(caught.value)


def test_a_training_beyond_memory_is_refused_until_a_job_may_take_as_much(folder):
    (folder / "models" / "tiny.yaml").write_text(
        "summary: Large.\nmodel: {kind: attention_only}\n"
        "training: {steps: 10, batch: 1000000, learning_rate: 1e-3}\n"
    )
    task = folder / "tasks" / "orbit.yaml"
    task.write_text(TASK.replace("length: 20", "length: 2000"))
    with pytest.raises(ConfigError) as caught:
        read_config(RUN, folder)
    (fault,) = caught.value.faults
    assert (fault.file, fault.key) == (str(task), "length")
    # 8 bytes x 2 seeds x 1000000 prompts x 2000 pairs x (5 + 5) numbers
    assert fault.message == (
        "training tiny: 2 x 1,000,000 prompts of 2,000 pairs of 5 and 5 numbers needs 320 GB at "
        "least, and a job may take 64; lower length, its dimensions, the seeds, the batch or the "
        "train_set, or raise memory in config.yaml if there is as much"
    )
    assert read_config(RUN | {"memory": 320}, folder).tasks["orbit"].length == 2000
    # Prompts of which there is a fixed number are held all at once.
    model = folder / "models" / "tiny.yaml"
    model.write_text(model.read_text().replace("batch: 1000000", "batch: 10, train_set: 1000000"))
    with pytest.raises(ConfigError, match="2 x 1,000,000 prompts"):
        read_config(RUN, folder)
    (folder / "studies" / "main.yaml").write_text("summary: None of it.\ntasks: []\n")
    assert read_config(RUN, folder).tasks["orbit"].length == 2000


def test_several_faults_are_reported_together(folder):
    (folder / "tasks" / "orbit.yaml").write_text(TASK.replace("haar", "har"))
    (folder / "models" / "tiny.yaml").write_text(MODEL.replace("steps: 10", "steps: 0"))
    (folder / "solvers" / "zero.yaml").write_text(SOLVER.replace("zero", "nil"))
    with pytest.raises(ConfigError) as caught:
        read_config(RUN, folder)
    assert {fault.file.rpartition("/")[2] for fault in caught.value.faults} == {
        "orbit.yaml",
        "tiny.yaml",
        "zero.yaml",
    }


def test_a_scale_is_laid_over_by_name_after_all(folder):
    (folder / "scales" / "small.yaml").write_text(
        SCALE + 'tasks: {"*": {length: 5}, orbit: {dynamics: {dim: 3}}}\n'
    )
    task = read_config(RUN, folder).tasks["orbit"]
    assert (task.length, task.family.input_dim) == (5, 3)


def test_a_scale_that_changes_the_kind_replaces_its_settings(folder):
    (folder / "scales" / "small.yaml").write_text(
        SCALE + "tasks: {orbit: {dynamics: {kind: periodic, dim: 4, period: 3}}}\n"
    )
    assert read_config(RUN, folder).tasks["orbit"].family.kind == "periodic"

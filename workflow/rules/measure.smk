# Measure what one study alone measures: on its own, or of methods of the study on a task.

# What no name matches.
NOTHING = "(?!)"
EXAMINED = [f"{study}/{name}" for study, name in PLAN.examined]
MEASURED = [
    f"{study}/{name}"
    for study, names in PLAN.measured.items()
    for name in names
    if (study, name) not in PLAN.examined
]


rule measure:
    input:
        plan=plan_of("measure/{measured}"),
    output:
        "results/metrics/measured/{measured}.parquet",
    log:
        "results/logs/measure/{measured}.log",
    wildcard_constraints:
        measured="|".join(MEASURED) or NOTHING,
    # Long jobs may hide among them, and figures and claims wait for all.
    priority: 5
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    shell:
        "python -m iclbench measure {input.plan} --rows {output}"
        " --usage results/benchmarks/measure/{wildcards.measured}.tsv 2> {log}"


rule examine:
    input:
        plan=plan_of("examine/{measured}"),
        prompts=prompts_examined,
        models=models_examined,
    output:
        "results/metrics/measured/{measured}.parquet",
    log:
        "results/logs/examine/{measured}.log",
    wildcard_constraints:
        measured="|".join(EXAMINED) or NOTHING,
    priority: 5
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    shell:
        "python -m iclbench examine {input.plan} --prompts {input.prompts} --rows {output}"
        " --models {input.models}"
        " --usage results/benchmarks/examine/{wildcards.measured}.tsv 2> {log}"

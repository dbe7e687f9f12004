# Train each model on each task, all its seeds in one job.


rule train_model:
    input:
        plan=plan_of("train/{task}/{model}"),
    output:
        model="results/models/{task}/{model}.safetensors",
        rows="results/metrics/training/{task}/{model}.parquet",
    log:
        "results/logs/train/{task}/{model}.log",
    # Long jobs first: a run that ends with one long job wastes the other cores.
    priority: 10
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory_of("train/{task}/{model}"),
        runtime=720,
    shell:
        "python -m iclbench train {input.plan} --model {output.model} --rows {output.rows}"
        " --checkpoints results/checkpoints/{wildcards.task}/{wildcards.model}"
        " --usage results/benchmarks/train/{wildcards.task}/{wildcards.model}.tsv 2> {log}"

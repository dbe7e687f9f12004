# Run every method of a study on a task's prompts, and measure errors and similarities.


rule predict_task:
    input:
        plan=plan_of("predict/{study}/{task}"),
        prompts="results/prompts/{task}.safetensors",
        models=models_of,
    output:
        "results/metrics/{study}/{task}.parquet",
    log:
        "results/logs/predict/{study}/{task}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory_of("predict/{study}/{task}"),
        runtime=60,
    shell:
        "python -m iclbench predict {input.plan} --prompts {input.prompts} --rows {output}"
        " --models {input.models}"
        " --usage results/benchmarks/predict/{wildcards.study}/{wildcards.task}.tsv 2> {log}"

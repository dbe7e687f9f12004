# Draw each task's evaluation prompts.


rule draw_prompts:
    input:
        plan=plan_of("prompts/{task}"),
    output:
        "results/prompts/{task}.safetensors",
    log:
        "results/logs/prompts/{task}.log",
    group:
        grouped("prompts")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m iclbench prompts {input.plan} {output}"
        " --usage results/benchmarks/prompts/{wildcards.task}.tsv 2> {log}"

# Measure what one study alone measures.


rule measure:
    input:
        plan=plan_of("measure/{study}/{measurement}"),
    output:
        "results/metrics/measured/{study}/{measurement}.parquet",
    log:
        "results/logs/measure/{study}/{measurement}.log",
    benchmark:
        "results/benchmarks/measure/{study}/{measurement}.tsv"
    # Long jobs may hide among them, and figures and claims wait for all.
    priority: 5
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    shell:
        "python -m iclbench measure {input.plan} --rows {output} 2> {log}"

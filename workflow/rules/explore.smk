# Write the page on which all that was measured of methods on tasks can be looked through.


rule explore:
    input:
        plan=plan_of("explore/page"),
        rows=[
            f"results/metrics/{study}/{task}.parquet"
            for study, tasks in PLAN.predicted.items()
            for task in tasks
        ],
    output:
        "results/explore.html",
    log:
        "results/logs/explore/page.log",
    group:
        grouped("figures")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m iclbench explore --rows {input.rows} --page {output}"
        " --usage results/benchmarks/explore/page.tsv 2> {log}"

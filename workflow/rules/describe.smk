# Write the page of all settings of the run, which the report shows beside the figures.


rule describe:
    input:
        plan=plan_of("describe/run"),
    output:
        report(
            "results/settings.html",
            caption="../report/settings.rst",
            category="run",
            labels={"figure": "settings", "task": "all", "methods": "all"},
        ),
    log:
        "results/logs/describe/run.log",
    group:
        grouped("figures")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m iclbench describe {input.plan} --page {output}"
        " --usage results/benchmarks/describe/run.tsv 2> {log}"

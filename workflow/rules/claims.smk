# Decide claims from rows alone, and gather the verdicts: the target claims decides all, a study's in
# one job; the target claim_STUDY_NAME decides one, from its own evidence alone.

STUDIES_WITH_CLAIMS = [decided for decided in PLAN.decisions if "/" not in decided]


rule decide:
    input:
        plan=plan_of("decide/{decided}"),
        rows=evidence_of,
    output:
        "results/claims/{decided}.parquet",
    log:
        "results/logs/decide/{decided}.log",
    group:
        grouped("claims")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m iclbench decide {input.plan} --verdicts {output} --rows {input.rows}"
        " --usage results/benchmarks/decide/{wildcards.decided}.tsv 2> {log}"


rule scorecard:
    input:
        plan=plan_of("report/scorecard"),
        verdicts=expand("results/claims/{study}.parquet", study=STUDIES_WITH_CLAIMS),
    output:
        table="results/claims/scorecard.parquet",
        page=report(
            "results/claims/scorecard.html",
            caption="../report/scorecard.rst",
            category="claims",
            labels={"figure": "scorecard", "task": "all", "methods": "all"},
        ),
    log:
        "results/logs/report/scorecard.log",
    group:
        grouped("claims")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m iclbench report --table {output.table} --page {output.page}"
        " --verdicts {input.verdicts}"
        " --usage results/benchmarks/report/scorecard.tsv 2> {log}"


rule claims:
    input:
        "results/claims/scorecard.html",
        expand("results/figures/{figure}.png", figure=PLAN.shown),


rule strict:
    input:
        plan=plan_of("report/scorecard"),
        table="results/claims/scorecard.parquet",
    output:
        touch("results/claims/as_expected"),
    log:
        "results/logs/report/strict.log",
    group:
        grouped("claims")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python -m iclbench strict {input.table}"
        " --usage results/benchmarks/report/strict.tsv 2> {log}"


for decided in PLAN.decisions:
    if Path(decided).parent.name:  # a claim of its own, not all of a study's

        rule:
            name:
                f"claim_{'_'.join(Path(decided).parts)}"
            input:
                f"results/claims/{decided}.parquet",

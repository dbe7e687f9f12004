# Draw each figure from rows alone; fig_NAME is the target of the figure NAME.

CAPTIONS = Path(workflow.current_basedir).parent / "report"

for kind, names in PLAN.figures_of_kinds.items():
    caption = kind if (CAPTIONS / f"{kind}.rst").exists() else "figure"

    rule:
        name:
            f"draw_{kind}"
        input:
            plan=plan_of("draw/{figure}"),
            rows=rows_of,
        output:
            pdf="results/figures/{figure}.pdf",
            png=report(
                "results/figures/{figure}.png",
                caption=f"../report/{caption}.rst",
                category=study_of,
                labels=labels_of,
            ),
            table="results/figures/{figure}.parquet",
        log:
            "results/logs/draw/{figure}.log",
        wildcard_constraints:
            figure="|".join(names),
        group:
            grouped("figures")
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        shell:
            "python -m iclbench draw {input.plan} --figure {output.pdf} --rows {input.rows}"
            " --usage results/benchmarks/draw/{wildcards.figure}.tsv 2> {log}"


for figure in PLAN.figures:

    rule:
        name:
            f"fig_{figure}"
        input:
            f"results/figures/{figure}.pdf",

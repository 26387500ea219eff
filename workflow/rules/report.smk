"""The page that shows a run: the last thing that a run makes."""


rule write_report:
    """Show and explain the run on one page: scores, figures, times, versions."""
    input:
        metrics=lambda wildcards: metrics_of(scored_rows(table_of(wildcards))),
        disagreements=lambda wildcards: disagreements_of(
            masked_rows(table_of(wildcards))
        ),
        drawn=lambda wildcards: [
            f"{figure['path']}.svg" for figure in figures_of(table_of(wildcards))
        ],
        table=lambda wildcards: f"results/{RUN}/tables/{table_of(wildcards)}.tsv",
        checks="results/{run}/checks.txt",
        masks=lambda wildcards: (
            unscored_predictions() if table_of(wildcards) == "summary" else []
        ),
    output:
        page="results/{run}/report{of_table}.html",
    log:
        "results/{run}/logs/write_report/report{of_table}.log",
    benchmark:
        "results/{run}/benchmarks/write_report/report{of_table}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        facts=lambda wildcards: facts_of(table_of(wildcards)),
        methods=lambda wildcards: methods_in_words(table_of(wildcards)),
        rows=lambda wildcards: scored_rows(table_of(wildcards)),
        masked=lambda wildcards: masked_rows(table_of(wildcards)),
        unavailable=lambda wildcards: unavailable_rows(table_of(wildcards)),
        drawn=lambda wildcards: figures_of(table_of(wildcards)),
        templates=template_version(),
        code=code_version("dar_uda.report.page"),
    script:
        "../scripts/write_report.py"

"""The page that shows a run: the last thing that a run makes."""

from dar_uda.report.templates import template_version


rule write_report:
    """Show and explain the run on one page: scores, figures, times, versions."""
    input:
        metrics=lambda wildcards: PLAN.metrics(PLAN.table_ending(wildcards.of_table).scored),
        tta_inconsistency=lambda wildcards: PLAN.tta_inconsistency(PLAN.table_ending(wildcards.of_table).masked),
        confidence=lambda wildcards: PLAN.confidence(PLAN.table_ending(wildcards.of_table).masked),
        drawn=lambda wildcards: [
            f"{figure.path}.svg" for figure in PLAN.figures.of_table(PLAN.table_ending(wildcards.of_table))
        ],
        table=lambda wildcards: PLAN.paths.table(PLAN.table_ending(wildcards.of_table).name),
        differences=lambda wildcards: PLAN.paths.differences(PLAN.table_ending(wildcards.of_table).name),
        checks="results/{run}/checks.txt",
        grid_ceilings=lambda wildcards: list(PLAN.grid_ceilings(PLAN.table_ending(wildcards.of_table)).values()),
        grids=lambda wildcards: list(PLAN.grids(PLAN.table_ending(wildcards.of_table))),
        masks=lambda wildcards: PLAN.unscored_predictions(PLAN.table_ending(wildcards.of_table)),
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
        facts=lambda wildcards: descriptions.run_facts(PLAN.table_ending(wildcards.of_table), CONFIG, PLAN.cases),
        methods=lambda wildcards: descriptions.methods_in_words(PLAN.table_ending(wildcards.of_table), CONFIG),
        rows=lambda wildcards: plain(PLAN.table_ending(wildcards.of_table).scored),
        masked=lambda wildcards: plain(PLAN.table_ending(wildcards.of_table).masked),
        unavailable=lambda wildcards: plain(PLAN.table_ending(wildcards.of_table).unavailable),
        grid_ceilings=lambda wildcards: [
            {"direction": direction} for direction in PLAN.grid_ceilings(PLAN.table_ending(wildcards.of_table))
        ],
        grids=lambda wildcards: [
            {"domain": domain} for domain in PLAN.grids(PLAN.table_ending(wildcards.of_table)).values()
        ],
        drawn=lambda wildcards: plain(PLAN.figures.of_table(PLAN.table_ending(wildcards.of_table))),
        templates=template_version(),
        code=code_version("dar_uda.report.page"),
    script:
        "../scripts/write_report.py"

"""The page that shows a run: the last thing that a run makes."""

from dar_uda.report.templates import template_version


def table(wildcards):
    """Return the table whose report a file is, by the end of its name."""
    return PLAN.table_ending(wildcards.of_table)


rule write_report:
    """Show and explain the run on one page: scores, figures, times, versions."""
    input:
        metrics=lambda wildcards: PLAN.metrics(table(wildcards).scored),
        disagreements=lambda wildcards: PLAN.disagreements(table(wildcards).masked),
        drawn=lambda wildcards: [
            f"{figure.path}.svg" for figure in PLAN.figures.of_table(table(wildcards))
        ],
        table=lambda wildcards: PLAN.paths.table(table(wildcards).name),
        checks="results/{run}/checks.txt",
        masks=lambda wildcards: PLAN.unscored_predictions(table(wildcards)),
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
        facts=lambda wildcards: descriptions.run_facts(
            table(wildcards), CONFIG, PLAN.cases
        ),
        methods=lambda wildcards: descriptions.methods_in_words(
            table(wildcards), CONFIG
        ),
        rows=lambda wildcards: plain(table(wildcards).scored),
        masked=lambda wildcards: plain(table(wildcards).masked),
        unavailable=lambda wildcards: plain(table(wildcards).unavailable),
        drawn=lambda wildcards: plain(PLAN.figures.of_table(table(wildcards))),
        structures=list(TASK.structures),
        templates=template_version(),
        code=code_version("dar_uda.report.page"),
    script:
        "../scripts/write_report.py"

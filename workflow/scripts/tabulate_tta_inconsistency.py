from dar_uda.evaluation.tta_inconsistency import tabulate_tta_inconsistency
from dar_uda.jobs.provenance import recorded

masked, files = snakemake.params.masked, snakemake.input.tta_inconsistency
with recorded(snakemake):
    tta_inconsistency = [{**row, "path": path} for row, path in zip(masked, files, strict=True)]
    tabulate_tta_inconsistency(tta_inconsistency, snakemake.params.choices, **snakemake.output)

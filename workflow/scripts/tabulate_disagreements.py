from dar_uda.evaluation.disagreements import tabulate_disagreements
from dar_uda.jobs.provenance import recorded

masked, files = snakemake.params.masked, snakemake.input.disagreements
with recorded(snakemake):
    disagreements = [{**row, "path": path} for row, path in zip(masked, files, strict=True)]
    tabulate_disagreements(disagreements, snakemake.params.choices, **snakemake.output)

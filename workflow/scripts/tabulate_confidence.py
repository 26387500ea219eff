from dar_uda.evaluation.adaptation import write_adaptation
from dar_uda.evaluation.confidence import tabulate_confidence
from dar_uda.jobs.provenance import recorded

params, output = snakemake.params, snakemake.output
with recorded(snakemake):
    files = [{**row, "path": path} for row, path in zip(params.masked, snakemake.input.confidence, strict=True)]
    tabulate_confidence(files, params.choices, output.table)
    write_adaptation(files, params.floors, params.choices, output.adaptation)

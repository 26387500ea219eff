from dar_uda.evaluation.tables import tabulate
from dar_uda.jobs.provenance import recorded

params, inputs = snakemake.params, snakemake.input
names = ("unavailable", "structures", "notes", "stamp", "choices", "ends", "resources")
with recorded(snakemake):
    metrics = [{**row, "path": path} for row, path in zip(params.rows, inputs.metrics, strict=True)]
    disagreements = [{**row, "path": path} for row, path in zip(params.masked, inputs.disagreements, strict=True)]
    tabulate(metrics, disagreements, **{name: params[name] for name in names}, **snakemake.output)

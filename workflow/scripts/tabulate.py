from dar_uda.evaluation.tables import tabulate
from dar_uda.training.job_record import recorded

params, inputs = snakemake.params, snakemake.input
files = zip(params.rows, inputs.metrics, inputs.disagreements, strict=True)
scores = [{**row, "path": path, "disagreement": other} for row, path, other in files]
names = ("unavailable", "structures", "notes", "stamp", "choices", "ends", "resources")
with recorded(snakemake):
    tabulate(scores, **{name: params[name] for name in names}, **snakemake.output)

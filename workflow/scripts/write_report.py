from dar_uda.report.page import write_report
from dar_uda.training.job_record import recorded

params, inputs = snakemake.params, snakemake.input
files = zip(params.rows, inputs.metrics, inputs.disagreements, strict=True)
metrics = [{**row, "path": path, "disagreement": other} for row, path, other in files]
drawn = [{**figure, "path": path} for figure, path in zip(params.figures, inputs.figures, strict=True)]
options = {key: params[key] for key in ("facts", "methods", "unavailable", "structures")}
with recorded(snakemake):
    write_report(**options, metrics=metrics, drawn=drawn, table=inputs.table, checks=inputs.checks, **snakemake.output)

from dar_uda.evaluation.tables import tabulate
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params, paths = snakemake.params, snakemake.input.metrics
metrics = [{**row, "path": path} for row, path in zip(params.rows, paths, strict=True)]
tabulate(metrics, params.unavailable, params.structures, **snakemake.output)

from dar_uda.evaluation.tables import tabulate
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params, paths = snakemake.params, snakemake.input.metrics
scores = [
    {**row, "path": path, "disagreement": other}
    for row, path, other in zip(params.rows, paths, snakemake.input.disagreements, strict=True)
]
tabulate(scores, params.unavailable, params.structures, params.notes, **snakemake.output)

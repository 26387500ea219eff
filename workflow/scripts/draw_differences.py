from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.differences import draw_differences

params, paths = snakemake.params, snakemake.input.metrics
metrics = [{**row, "path": path} for row, path in zip(params.rows, paths, strict=True)]
options = {key: params[key] for key in ("structures", "reference", "metric", "stamp")}
with recorded(snakemake):
    draw_differences(metrics, **options, **snakemake.output)

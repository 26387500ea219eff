from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.calibration import draw_reliability

params, paths = snakemake.params, snakemake.input.calibration
calibration = [{**row, "path": path} for row, path in zip(params.rows, paths, strict=True)]
with recorded(snakemake):
    draw_reliability(calibration, params.structures, **snakemake.output, stamp=params.stamp)

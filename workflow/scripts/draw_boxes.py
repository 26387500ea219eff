from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.scores import draw_dice_boxes

params, paths = snakemake.params, snakemake.input.metrics
metrics = [{**row, "path": path} for row, path in zip(params.rows, paths, strict=True)]
with recorded(snakemake):
    draw_dice_boxes(metrics, params.structures, **snakemake.output, stamp=params.stamp)

from dar_uda.evaluation.figures_scores import draw_dice_against_asd
from dar_uda.jobs.provenance import recorded

params, paths = snakemake.params, snakemake.input.metrics
metrics = [{**row, "path": path} for row, path in zip(params.rows, paths, strict=True)]
with recorded(snakemake):
    draw_dice_against_asd(metrics, **snakemake.output, stamp=params.stamp)

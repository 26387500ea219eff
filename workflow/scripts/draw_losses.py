from dar_uda.evaluation.figures_training import draw_loss_curves
from dar_uda.jobs.provenance import recorded

histories = dict(zip(snakemake.params.names, snakemake.input.histories, strict=True))
with recorded(snakemake):
    draw_loss_curves(histories, **snakemake.output, stamp=snakemake.params.stamp)

from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.training import draw_loss_curves

histories = dict(zip(snakemake.params.names, snakemake.input.histories, strict=True))
with recorded(snakemake):
    draw_loss_curves(histories, **snakemake.output, stamp=snakemake.params.stamp)

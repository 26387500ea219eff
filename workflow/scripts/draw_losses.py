from dar_uda.evaluation.figures_training import draw_loss_curves
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
histories = dict(zip(snakemake.params.names, snakemake.input.histories, strict=True))
draw_loss_curves(histories, **snakemake.output, stamp=snakemake.params.stamp)

from dar_uda.evaluation.figures_translation import draw_translations
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
draw_translations(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

from dar_uda.evaluation.figures_translation import draw_translations
from dar_uda.training.job_record import recorded

with recorded(snakemake):
    draw_translations(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

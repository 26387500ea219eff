from dar_uda.evaluation.figures_translation import draw_style_scatter
from dar_uda.training.job_record import recorded

with recorded(snakemake):
    draw_style_scatter(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

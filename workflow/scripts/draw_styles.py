from dar_uda.evaluation.figures_translation import draw_style_scatter
from dar_uda.jobs.provenance import recorded

with recorded(snakemake):
    draw_style_scatter(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

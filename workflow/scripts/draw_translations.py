from dar_uda.evaluation.figures_translation import draw_translations
from dar_uda.jobs.provenance import recorded

with recorded(snakemake):
    draw_translations(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

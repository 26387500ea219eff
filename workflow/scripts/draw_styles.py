from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.translation import draw_style_scatter

with recorded(snakemake):
    draw_style_scatter(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.translation import draw_translations

with recorded(snakemake):
    draw_translations(**snakemake.input, **snakemake.output, stamp=snakemake.params.stamp)

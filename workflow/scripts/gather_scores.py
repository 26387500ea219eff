from dar_uda.data.chunks import gather_tables
from dar_uda.jobs.provenance import recorded

with recorded(snakemake):
    gather_tables(snakemake.input.tables, snakemake.output.metrics)

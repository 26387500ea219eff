from dar_uda.data.extraction import extract_volume
from dar_uda.jobs.provenance import recorded

with recorded(snakemake):
    extract_volume(snakemake.input.origin, snakemake.params.index, snakemake.output.volume)

from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.slices import extract_slices

with recorded(snakemake):
    extract_slices(**snakemake.input, cases=snakemake.params.cases, **snakemake.output)

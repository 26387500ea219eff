from dar_uda.preprocessing.slices import extract_slices
from dar_uda.training.job_record import recorded

with recorded(snakemake):
    extract_slices(**snakemake.input, cases=snakemake.params.cases, **snakemake.output)

from dar_uda.preprocessing.slices import extract_slices
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
extract_slices(**snakemake.input, cases=snakemake.params.cases, **snakemake.output)

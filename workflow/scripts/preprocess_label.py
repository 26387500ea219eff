from dar_uda.preprocessing.preprocess import preprocess_label
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
preprocess_label(case=snakemake.wildcards.case, **files, values=snakemake.params.values)

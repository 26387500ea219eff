from dar_uda.preprocessing.region import find_region
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
options = {key: value for key, value in snakemake.params.items() if key != "code"}
find_region(**snakemake.input, **snakemake.output, **options)

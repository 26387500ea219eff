from dar_uda.data.checks.cases import check_cases
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
check_cases(params.cases, params.windows, params.labels, snakemake.threads, snakemake.output.table)

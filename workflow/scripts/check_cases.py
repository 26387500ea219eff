import logging

from dar_uda.data.checks.cases import check_cases
from dar_uda.training.job_log import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    lines = check_cases(params.cases, params.windows, params.labels, snakemake.threads, snakemake.output.table)
    logging.info("\n".join(lines))

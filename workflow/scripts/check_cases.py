import logging

from dar_uda.data.checks.cases import check_cases
from dar_uda.jobs.log import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    checked = params.cases, params.windows, params.labels
    lines = check_cases(*checked, snakemake.threads, snakemake.output.table, params.slice_axes, params.versions)
    logging.info("\n".join(lines))

from dar_uda.data.phantom_table import make_phantoms
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
make_phantoms(params.cases, params.domains, snakemake.output.images, params.labels, params.seed)

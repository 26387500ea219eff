from dar_uda.data.phantom_table import make_phantoms
from dar_uda.jobs.provenance import recorded

params = snakemake.params
with recorded(snakemake):
    make_phantoms(params.cases, params.domains, snakemake.output.images, params.labels, params.seed)

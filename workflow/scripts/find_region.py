from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.region import find_region

options = {key: value for key, value in snakemake.params.items() if key not in ("code", "version")}
with recorded(snakemake):
    find_region(**snakemake.input, **snakemake.output, **options)

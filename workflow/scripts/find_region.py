from dar_uda.preprocessing.region import find_region
from dar_uda.training.job_record import recorded

options = {key: value for key, value in snakemake.params.items() if key != "code"}
with recorded(snakemake):
    find_region(**snakemake.input, **snakemake.output, **options)

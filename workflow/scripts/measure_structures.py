from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.structures import measure_structures

with recorded(snakemake):
    measure_structures(**snakemake.input, structures=snakemake.params.structures, **snakemake.output)

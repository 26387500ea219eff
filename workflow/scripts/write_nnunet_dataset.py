from dar_uda.jobs.provenance import recorded
from dar_uda.nnunet.dataset import write_dataset

params = snakemake.params
names = {"cases": params.cases, "patients": params.patients, "structures": params.structures}
with recorded(snakemake):
    write_dataset(**snakemake.input, **snakemake.output, **names)

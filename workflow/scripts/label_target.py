from dar_uda.adaptation.pseudo_labels import label_target
from dar_uda.training.job_record import recorded

params = snakemake.params
job = {"threads": snakemake.threads, "device": snakemake.config["device"], "window": params.window, **params.inference}
names = {"cases": params.cases, "structures": params.structures}
with recorded(snakemake):
    label_target(**names, **snakemake.input, **snakemake.output, **job)

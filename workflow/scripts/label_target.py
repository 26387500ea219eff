from dar_uda.adaptation.pseudo_labels import label_target
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
job = {"threads": snakemake.threads, "device": snakemake.config["device"], "window": params.window, **params.inference}
names = {"cases": params.cases, "structures": params.structures}
label_target(**names, **snakemake.input, **snakemake.output, **job)

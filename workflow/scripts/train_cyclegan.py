from dar_uda.adaptation.train_cyclegan import train_cyclegan
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
train_cyclegan(**files, **job, seed=params.seed, code=params.code, **params.cyclegan)

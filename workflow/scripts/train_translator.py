from dar_uda.training.job_log import log_to
from dar_uda.translation.train import train_translator

log_to(snakemake.log[0])
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
train_translator(**files, **job, seed=params.seed, code=params.code, **params.translation)

from dar_uda.adaptation.self_training import train_on_pseudo_labels
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision", "recompute")}}
options = {**params.segmentation, **params.self_training}
train_on_pseudo_labels(**files, **job, cases=params.cases, seed=params.seed, code=params.code, **options)

from dar_uda.adaptation.ada_output import train_ada_output
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision", "recompute")}}
options = {key: value for key, value in snakemake.params.items() if key != "segmentation"}
train_ada_output(**files, **job, **options, **snakemake.params.segmentation)

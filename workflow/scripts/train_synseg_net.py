from dar_uda.adaptation.synseg_net import train_synseg_net
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
options = {key: value for key, value in snakemake.params.items() if key != "segmentation"}
train_synseg_net(**files, **job, **options, **snakemake.params.segmentation)

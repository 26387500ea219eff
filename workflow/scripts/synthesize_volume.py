from dar_uda.training.job_log import log_to
from dar_uda.translation.synthesis import synthesize_volume

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
options = {key: value for key, value in snakemake.params.items() if key != "code"}
synthesize_volume(**files, **job, **options)

from dar_uda.training.job_log import log_to
from dar_uda.translation.synthesis import synthesize_volume

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
synthesize_volume(**files, **job, case=snakemake.wildcards.case)

from dar_uda.adaptation.synthesis import translate_volume
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
translate_volume(**files, **job, case=snakemake.wildcards.case, way=snakemake.params.way)

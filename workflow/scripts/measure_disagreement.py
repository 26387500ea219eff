from dar_uda.evaluation.disagreement import measure_disagreement
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
params = snakemake.params
measure_disagreement(params.cases, **files, **job, structures=params.structures, window=params.window, **params.inference)

from dar_uda.segmentation.predict import predict_cases
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
params = snakemake.params
predict_cases(cases=params.cases, **files, **job, window=params.window, **params.inference)

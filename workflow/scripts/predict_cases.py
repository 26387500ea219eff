from dar_uda.segmentation.predict import predict_cases
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
params = snakemake.params
names = {"cases": params.cases, "structures": params.structures}
predict_cases(**names, **files, **job, window=params.window, **params.inference)

from dar_uda.segmentation.predict import predict_cases
from dar_uda.training.job_record import recorded

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
params = snakemake.params
names = {"cases": params.cases, "structures": params.structures}
with recorded(snakemake):
    predict_cases(**names, **files, **job, window=params.window, **params.inference)

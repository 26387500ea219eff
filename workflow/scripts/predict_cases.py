from dar_uda.jobs.provenance import recorded
from dar_uda.segmentation.predict import predict_cases

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
params = snakemake.params
names = {"cases": params.cases, "structures": params.structures}
with recorded(snakemake):
    predict_cases(**names, **files, **job, window=params.window, **params.inference)

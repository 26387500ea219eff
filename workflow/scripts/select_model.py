from dar_uda.jobs.provenance import recorded
from dar_uda.segmentation.model_selection import select_model

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
params = snakemake.params
with recorded(snakemake):
    select_model(**files, **job, structures=params.structures, window=params.window, **params.inference)

from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
options = {key: params[key] for key in ("intensity", "slice_axis", "values", "double_depth")}
preprocess_image(case=snakemake.wildcards.case, **files, **params.grid, **options)

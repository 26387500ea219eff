from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
options = {"intensity": params.intensity, "slice_axis": params.slice_axis}
preprocess_image(case=snakemake.wildcards.case, **files, **params.grid, **options)

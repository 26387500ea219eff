from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.preprocess import preprocess_image

params = snakemake.params
files = {**snakemake.input, **snakemake.output}
options = {key: params[key] for key in ("intensity", "slice_axis", "values", "double_depth")}
with recorded(snakemake):
    preprocess_image(case=snakemake.wildcards.case, **files, **params.grid, **options)

from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.settings import Preprocessing

params = snakemake.params
files = {**snakemake.input, **snakemake.output}
options = {key: params[key] for key in ("intensity", "slice_axis", "values", "double_depth")}
with recorded(snakemake):
    preprocess_image(snakemake.wildcards.case, **files, settings=Preprocessing(**params.grid, **options))

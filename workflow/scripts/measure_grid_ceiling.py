from dar_uda.evaluation.grid_ceiling import measure_grid_ceiling
from dar_uda.jobs.provenance import recorded

files = {**snakemake.input, **snakemake.output}
options = {key: snakemake.params[key] for key in ("cases", "structures", "values")}
with recorded(snakemake):
    measure_grid_ceiling(**files, **options)

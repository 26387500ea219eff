from dar_uda.evaluation.calibration import measure_calibration
from dar_uda.jobs.provenance import recorded

files = {**snakemake.input, **snakemake.output}
options = {key: value for key, value in snakemake.params.items() if key not in ("code", "version")}
with recorded(snakemake):
    measure_calibration(**files, **options)

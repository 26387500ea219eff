from dar_uda.evaluation.calibration_table import tabulate_calibration
from dar_uda.jobs.provenance import recorded

params, files = snakemake.params, snakemake.input.calibration
with recorded(snakemake):
    calibration = [{**row, "path": path} for row, path in zip(params.rows, files, strict=True)]
    tabulate_calibration(calibration, params.structures, params.choices, **snakemake.output)

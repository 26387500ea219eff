from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.segmentation import draw_extremes

params, files = snakemake.params, dict(snakemake.input)
files["metrics"] = [{**row, "path": path} for row, path in zip(params.rows, files["metrics"], strict=True)]
files["predictions"] = dict(zip(params.methods, files["predictions"], strict=True))
options = {key: params[key] for key in ("cases", "structures", "values", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_extremes(**files, **options, **snakemake.output)

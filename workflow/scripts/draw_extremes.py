from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.segmentation import draw_extremes

params, files = snakemake.params, dict(snakemake.input)
files["metrics"] = dict(zip(params.methods, files["metrics"], strict=True))
options = {key: params[key] for key in ("cases", "structures", "values", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_extremes(**files, **options, **snakemake.output)

from dar_uda.evaluation.figures_segmentation import draw_extremes
from dar_uda.jobs.provenance import recorded

params, files = snakemake.params, dict(snakemake.input)
files["metrics"] = dict(zip(params.methods, files["metrics"], strict=True))
options = {key: params[key] for key in ("cases", "structures", "values", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_extremes(**files, **options, **snakemake.output)

from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.segmentation import draw_look_first

params, files = snakemake.params, dict(snakemake.input)
files["confidence"] = [{**row, "path": path} for row, path in zip(params.rows, files["confidence"], strict=True)]
files["predictions"] = files["predictions"][0]
options = {key: params[key] for key in ("cases", "structures", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_look_first(**files, **options, **snakemake.output)

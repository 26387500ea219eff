from dar_uda.jobs.provenance import recorded
from dar_uda.report.figures.segmentation import draw_overlays

params, images, references = snakemake.params, snakemake.input.images, snakemake.input.references
masks = dict(zip(params.methods, snakemake.input.predictions, strict=True))
options = {key: params[key] for key in ("structures", "values", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_overlays(params.cases, images, masks, references, **options, **snakemake.output)

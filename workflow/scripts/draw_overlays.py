from dar_uda.evaluation.figures_segmentation import draw_overlays
from dar_uda.jobs.provenance import recorded

params, images, references = snakemake.params, snakemake.input.images, snakemake.input.references
masks = dict(zip(params.methods, snakemake.input.predictions, strict=True))
options = {key: params[key] for key in ("structures", "values", "slice_axis", "stamp")}
with recorded(snakemake):
    draw_overlays(params.cases, images, masks, references, **options, **snakemake.output)

from dar_uda.evaluation.figures_segmentation import draw_overlays
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
params, count = snakemake.params, len(snakemake.params.cases)
paths = iter(snakemake.input.predictions)
masks = {method: [next(paths) for _ in range(count)] for method in params.methods}
images, references = snakemake.input.images, snakemake.input.references
draw_overlays(params.cases, images, masks, references, params.structures, params.values, **snakemake.output)

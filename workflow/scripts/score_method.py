from dar_uda.evaluation.score import score_method
from dar_uda.jobs.provenance import recorded

files = {**snakemake.input, **snakemake.output}
options = {key: value for key, value in snakemake.params.items() if key not in ("code", "version")}
with recorded(snakemake):
    score_method(**files, **options)

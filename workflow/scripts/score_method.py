from dar_uda.evaluation.score import score_method
from dar_uda.training.job_log import log_to

log_to(snakemake.log[0])
files = {**snakemake.input, **snakemake.output}
options = {key: value for key, value in snakemake.params.items() if key != "code"}
score_method(**files, **options)

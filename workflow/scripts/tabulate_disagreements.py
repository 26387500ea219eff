from dar_uda.evaluation.tables import tabulate_disagreements
from dar_uda.training.job_record import recorded

rows, inputs = snakemake.params.rows, snakemake.input
files = zip(rows, inputs.metrics, inputs.disagreements, strict=True)
with recorded(snakemake):
    scores = [{**row, "path": path, "disagreement": other} for row, path, other in files]
    tabulate_disagreements(scores, snakemake.params.choices, **snakemake.output)

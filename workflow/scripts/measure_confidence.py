from dar_uda.evaluation.confidence import measure_confidence
from dar_uda.jobs.provenance import recorded

params = snakemake.params
with recorded(snakemake):
    names = {key: params[key] for key in ("cases", "patients", "structures")}
    measure_confidence(**names, **snakemake.input, **snakemake.output)

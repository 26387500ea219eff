from dar_uda.adaptation.pseudo_labels import label_target
from dar_uda.jobs.provenance import recorded

params = snakemake.params
job = {"threads": snakemake.threads, **{key: snakemake.config[key] for key in ("device", "precision")}}
names = {"cases": params.cases, "structures": params.structures}
with recorded(snakemake):
    label_target(**names, **snakemake.input, **snakemake.output, **job, window=params.window, **params.inference)

from dar_uda.jobs.provenance import recorded
from dar_uda.preprocessing.preprocess import preprocess_label

files = {**snakemake.input, **snakemake.output}
with recorded(snakemake):
    preprocess_label(case=snakemake.wildcards.case, **files, values=snakemake.params.values)

from dar_uda.preprocessing.preprocess import preprocess_label
from dar_uda.training.job_record import recorded

files = {**snakemake.input, **snakemake.output}
with recorded(snakemake):
    preprocess_label(case=snakemake.wildcards.case, **files, values=snakemake.params.values)

from dar_uda.evaluation.external_masks import read_external_masks
from dar_uda.jobs.provenance import recorded

files = {**snakemake.input, **snakemake.output}
options = {key: value for key, value in snakemake.params.items() if key not in ("code", "version")}
with recorded(snakemake):
    read_external_masks(**files, **options)

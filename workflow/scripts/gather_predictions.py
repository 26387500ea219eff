from dar_uda.data.chunks import gather_masks, gather_tables
from dar_uda.jobs.provenance import recorded

inputs, outputs = snakemake.input, snakemake.output
with recorded(snakemake):
    gather_masks(inputs.masks, outputs.predictions)
    gather_tables(inputs.tables, outputs.tta_inconsistency)

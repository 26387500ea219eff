from dar_uda.evaluation.tables import tabulate
from dar_uda.jobs.provenance import recorded

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
rows = {"scores": (params.rows, inputs.metrics), "tta_inconsistency": (params.masked, inputs.tta_inconsistency)}
rows |= {"confidence": (params.masked, inputs.confidence), "missing": (params.external, inputs.missing)}
files = {key: [{**row, "path": path} for row, path in zip(*pair, strict=True)] for key, pair in rows.items()}
options = {key: value for key, value in params.items() if key not in ("rows", "masked", "external", "code")}
with recorded(snakemake):
    tabulate(**files, **options, **output)

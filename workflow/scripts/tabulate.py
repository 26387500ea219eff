from dar_uda.evaluation.summary import write_summary
from dar_uda.evaluation.tables import write_pages
from dar_uda.jobs.provenance import recorded

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
with recorded(snakemake):
    metrics = [{**row, "path": path} for row, path in zip(params.rows, inputs.metrics, strict=True)]
    masked = zip(params.masked, inputs.tta_inconsistency, strict=True)
    tta_inconsistency = [{**row, "path": path} for row, path in masked]
    write_summary(metrics, params.unavailable, params.structures, params.bounds, params.choices, output.table)
    options = {name: params[name] for name in ("unavailable", "notes", "usage", "ceilings", "stamp")}
    write_pages(output.table, tta_inconsistency, **options, pages=output.pages)

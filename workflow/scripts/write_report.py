from dar_uda.jobs.provenance import recorded
from dar_uda.report.page import write_report

params, inputs = snakemake.params, snakemake.input
rows = {"metrics": params.rows, "tta_inconsistency": params.masked, "confidence": params.masked}
rows |= {key: params[key] for key in ("grid_ceilings", "grids", "drawn")}
files = {key: [{**row, "path": path} for row, path in zip(rows[key], inputs[key], strict=True)] for key in rows}
options = {key: params[key] for key in ("facts", "methods", "unavailable")}
with recorded(snakemake):
    tables = {name: inputs[name] for name in ("table", "differences", "checks")}
    write_report(**options, **files, **tables, **snakemake.output)

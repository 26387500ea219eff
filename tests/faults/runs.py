"""The run that faults befall: trainings long enough to be hit, and what of it is compared."""

CHOICES = ("--config", "methods=[source_only,dar_uda]", "translation={steps: 60}", "segmentation={steps: 30}")
COMPARED = ("*.safetensors", "tables/summary.*", "metrics/**/*.tsv", "predictions/**/*.nii.gz", "history.tsv")


def files_of(run):
    """Return the bytes of all weights, masks, scores and tables."""
    results = run.folder / "results" / "phantom"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for pattern in COMPARED
        for path in sorted(results.rglob(pattern))
        if not {"benchmarks", "logs"} & {*path.parts} and not path.name.endswith("provenance.json")
    }

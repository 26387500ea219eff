"""DAR-UDA: from labelled scans of one modality to segmentations of another."""

from copy import deepcopy
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

SHIPPED = Path(workflow.basedir) / "config"
# Before the shipped files are read, the config is what --configfile and --config hold.
USER_CONFIG = deepcopy(config)


configfile: str(SHIPPED / "config.yaml")


for entry in sorted([*SHIPPED.glob("tasks/*.yaml"), *SHIPPED.glob("budgets/*.yaml")]):

    configfile: str(entry)


include: "workflow/rules/config.smk"
include: "workflow/rules/cases.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/training_sets.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/preprocessing.smk"
include: "workflow/rules/translation.smk"
include: "workflow/rules/segmentation.smk"
include: "workflow/rules/adaptation.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/tables.smk"


rule all:
    """Tables and figures of the config's methods and directions."""
    input:
        lambda wildcards: requested_files(),


onsuccess:
    print_summary()

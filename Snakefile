"""DAR-UDA: from labeled scans of one modality to segmentations of another."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.17")

HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))


include: "workflow/rules/places.smk"
include: "workflow/rules/scheduling.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/files.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/preprocessing.smk"
include: "workflow/rules/translation.smk"
include: "workflow/rules/segmentation.smk"
include: "workflow/rules/adaptation.smk"
include: "workflow/rules/nnunet.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tables.smk"


container: config["container"]


rule all:
    """Tables, figures and the report of the config's methods and directions."""
    input:
        lambda wildcards: PLAN.requested(),


onsuccess:
    from dar_uda.cli.summary import print_summary

    print_summary(PLAN.paths)

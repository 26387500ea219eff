"""From a case's files to the network grid and its 2D slices."""

DIRECTION = str(CONFIG.directions[0])
"""That of a run whose grid is cut to a region: it has one alone."""


def source_files(what):
    """Return the user's files of the source's labelled training cases."""
    cases = PLAN.volumes.source_cases(DIRECTION)
    return PLAN.volumes.originals(TASK.source(DIRECTION).name, cases, what)


def case_file(wildcards, what):
    """Return the user's file of a case."""
    return PLAN.volumes.originals(wildcards.domain, [wildcards.case], what)


def one(paths):
    """Return the one file of a list as an input, or nothing of an empty list."""
    return given(paths)[0] if paths else []


rule find_region:
    """Find where the source's structures lie in a scan, for a grid that is cut to them."""
    input:
        lambda wildcards: voxels(source_files("image") + source_files("label")),
        scans=lambda wildcards: given(source_files("image")),
        labels=lambda wildcards: given(source_files("label")),
    output:
        region="results/{run}/region.json",
    log:
        "results/{run}/logs/find_region.log",
    benchmark:
        "results/{run}/benchmarks/find_region.tsv"
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=lambda wildcards: PLAN.volumes.source_cases(DIRECTION),
        values=TASK.source(DIRECTION).label_values,
        margin=TASK.grid.get("region_margin"),
        slice_axis=TASK.source(DIRECTION).slice_axis,
        code=code_version("dar_uda.preprocessing.region"),
    script:
        "../scripts/find_region.py"


rule preprocess_case:
    """Bring a case's image to the network grid."""
    input:
        lambda wildcards: voxels(case_file(wildcards, "image")),
        source=lambda wildcards: one(case_file(wildcards, "image")),
        region=PLAN.volumes.region(),
        label=lambda wildcards: one(
            PLAN.volumes.label_to_crop_to(wildcards.domain, wildcards.case)
        ),
    output:
        image="results/{run}/cases/{domain}/{case}/image.nii",
        grid="results/{run}/cases/{domain}/{case}/grid.json",
    log:
        "results/{run}/logs/preprocess_case/{domain}-{case}.log",
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        # Snakemake's cache tells jobs apart by their parameters and inputs; inputs that one job wrote are one to it.
        case=lambda wildcards: f"{wildcards.domain}/{wildcards.case}",
        grid={key: value for key, value in TASK.grid.items() if key != "region_margin"},
        values=lambda wildcards: TASK.domains[wildcards.domain].label_values,
        double_depth=lambda wildcards: TASK.domains[wildcards.domain].doubles_depth,
        intensity=lambda wildcards: TASK.domains[wildcards.domain].intensity,
        slice_axis=lambda wildcards: TASK.domains[wildcards.domain].slice_axis,
        code=code_version("dar_uda.preprocessing.preprocess"),
    script:
        "../scripts/preprocess_case.py"


rule preprocess_label:
    """Bring a case's label map to the network grid, as classes 1..K."""
    input:
        lambda wildcards: voxels(
            case_file(wildcards, "label") + case_file(wildcards, "image")
        ),
        source=lambda wildcards: one(case_file(wildcards, "label")),
        scan=lambda wildcards: one(case_file(wildcards, "image")),
        grid="results/{run}/cases/{domain}/{case}/grid.json",
    output:
        label="results/{run}/cases/{domain}/{case}/label.nii",
    log:
        "results/{run}/logs/preprocess_label/{domain}-{case}.log",
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        case=rules.preprocess_case.params.case,
        values=lambda wildcards: TASK.domains[wildcards.domain].label_values,
        code=code_version("dar_uda.preprocessing.preprocess"),
    script:
        "../scripts/preprocess_label.py"


rule extract_slices:
    """Stack the slices of a domain's training volumes."""
    input:
        images=lambda wildcards: PLAN.paths.cases(
            wildcards.domain, PLAN.cases.of(wildcards.domain, "train"), "image.nii"
        ),
    output:
        slices="results/{run}/slices/{domain}.npy",
        table="results/{run}/slices/{domain}.tsv",
    log:
        "results/{run}/logs/extract_slices/{domain}.log",
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        cases=lambda wildcards: PLAN.cases.of(wildcards.domain, "train"),
        code=code_version("dar_uda.preprocessing.slices"),
    script:
        "../scripts/extract_slices.py"

"""From a case's files to the network grid and its 2D slices."""

from dar_uda.data.volume_index import file_of, split_index

DIRECTION = str(CONFIG.directions[0])
"""That of a run whose grid is cut to a region: it has one alone."""


rule extract_volume:
    """Take the volume that the cases table names out of a 4D file."""
    input:
        lambda wildcards: voxels([PLAN.cases.named(wildcards.domain, wildcards.case).as_named(wildcards.what)]),
        origin=lambda wildcards: given(
            file_of(PLAN.cases.named(wildcards.domain, wildcards.case).as_named(wildcards.what))
        ),
    output:
        volume="results/{run}/cases/{domain}/{case}/original_{what}.nii",
    log:
        "results/{run}/logs/extract_volume/{domain}-{case}-{what}.log",
    benchmark:
        "results/{run}/benchmarks/extract_volume/{domain}-{case}-{what}.tsv"
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        index=lambda wildcards: split_index(
            PLAN.cases.named(wildcards.domain, wildcards.case).as_named(wildcards.what)
        )[1],
        version=lambda wildcards: version_of(
            PLAN.cases.named(wildcards.domain, wildcards.case).as_named(wildcards.what), []
        ),
        code=code_version("dar_uda.data.extraction"),
    script:
        "../scripts/extract_volume.py"


rule find_region:
    """Find where the source's structures lie in a scan, for a grid that is cut to them."""
    input:
        lambda wildcards: voxels(
            PLAN.volumes.files_of_source(DIRECTION, "image") + PLAN.volumes.files_of_source(DIRECTION, "label")
        ),
        scans=lambda wildcards: given(PLAN.volumes.files_of_source(DIRECTION, "image")),
        labels=lambda wildcards: given(PLAN.volumes.files_of_source(DIRECTION, "label")),
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
        version=lambda wildcards: version_of(
            PLAN.volumes.files_of_source(DIRECTION, "image"),
            PLAN.volumes.files_of_source(DIRECTION, "label"),
        ),
        code=code_version("dar_uda.preprocessing.region"),
    script:
        "../scripts/find_region.py"


rule preprocess_case:
    """Bring a case's image to the network grid."""
    input:
        lambda wildcards: voxels([PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image")]),
        origin=lambda wildcards: given(PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image")),
        region=PLAN.volumes.region(),
        label=lambda wildcards: given(PLAN.volumes.label_to_crop_to(wildcards.domain, wildcards.case)),
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
        version=lambda wildcards: version_of(
            PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image"),
            PLAN.volumes.label_to_crop_to(wildcards.domain, wildcards.case),
        ),
        code=code_version("dar_uda.preprocessing.preprocess"),
    script:
        "../scripts/preprocess_case.py"


rule preprocess_label:
    """Bring a case's label map to the network grid, as classes 1..K."""
    input:
        lambda wildcards: voxels(
            [
                PLAN.volumes.file_of(wildcards.domain, wildcards.case, "label"),
                PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image"),
            ]
        ),
        origin=lambda wildcards: given(PLAN.volumes.file_of(wildcards.domain, wildcards.case, "label")),
        scan=lambda wildcards: given(PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image")),
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
        version=lambda wildcards: version_of(
            PLAN.volumes.file_of(wildcards.domain, wildcards.case, "image"),
            PLAN.volumes.file_of(wildcards.domain, wildcards.case, "label"),
        ),
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


rule measure_structures:
    """Measure how large the structures in a domain's labels are, and which are one connected component."""
    input:
        labels=lambda wildcards: PLAN.volumes.labels(wildcards.domain),
    output:
        table="results/{run}/structures/{domain}.tsv",
    log:
        "results/{run}/logs/measure_structures/{domain}.log",
    benchmark:
        "results/{run}/benchmarks/measure_structures/{domain}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="4h",
    params:
        structures=list(TASK.structures),
        code=code_version("dar_uda.preprocessing.structures"),
    script:
        "../scripts/measure_structures.py"

"""From a case's files to the network grid and its 2D slices."""


rule preprocess_case:
    """Bring a case's image to the network grid."""
    input:
        source=original_image,
    output:
        image="results/{run}/cases/{domain}/{case}/image.nii",
        grid="results/{run}/cases/{domain}/{case}/grid.json",
    log:
        "results/{run}/logs/preprocess_case/{domain}-{case}.log",
    benchmark:
        "results/{run}/benchmarks/preprocess_case/{domain}-{case}.tsv"
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        grid=GRID,
        intensity=lambda wildcards: intensity_of(wildcards.domain),
        slice_axis=lambda wildcards: TASK["domains"][wildcards.domain].get("slice_axis"),
        code=code_version("dar_uda.preprocessing.preprocess"),
    script:
        "../scripts/preprocess_case.py"


rule preprocess_label:
    """Bring a case's label map to the network grid, as classes 1..K."""
    input:
        source=original_label,
        scan=original_image,
        grid="results/{run}/cases/{domain}/{case}/grid.json",
    output:
        label="results/{run}/cases/{domain}/{case}/label.nii",
    log:
        "results/{run}/logs/preprocess_label/{domain}-{case}.log",
    benchmark:
        "results/{run}/benchmarks/preprocess_label/{domain}-{case}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        values=lambda wildcards: label_values(wildcards.domain),
        code=code_version("dar_uda.preprocessing.preprocess"),
    script:
        "../scripts/preprocess_label.py"


rule extract_slices:
    """Stack the slices of a domain's training volumes."""
    input:
        images=training_images,
    output:
        slices="results/{run}/slices/{domain}.npy",
        table="results/{run}/slices/{domain}.tsv",
    log:
        "results/{run}/logs/extract_slices/{domain}.log",
    benchmark:
        "results/{run}/benchmarks/extract_slices/{domain}.tsv"
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        cases=lambda wildcards: cases_of(wildcards.domain, "train"),
        code=code_version("dar_uda.preprocessing.slices"),
    script:
        "../scripts/extract_slices.py"

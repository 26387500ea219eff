"""From labelled volumes to masks of the target's test cases (3D)."""


rule train_segmenter:
    """Train a segmentation network on a training set, real or synthetic."""
    input:
        images=segmenter_images,
        labels=segmenter_labels,
        source_images=lambda wildcards: untranslated(wildcards, "image.nii"),
        source_labels=lambda wildcards: untranslated(wildcards, "label.nii"),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/history.tsv",
        resources="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/resources.json",
    log:
        "results/{run}/logs/train_segmenter/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_segmenter/{training_set}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=lambda wildcards: segmentation_values(
            wildcards.network, "randomisation", "self_training"
        ),
        randomisation=lambda wildcards: (
            randomisation() if wildcards.network.endswith(RANDOMISED) else None
        ),
        network=lambda wildcards: switches_of(wildcards.network),
        classes=len(STRUCTURES) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.segmentation.train"),
    script:
        "../scripts/train_segmenter.py"


rule predict_cases:
    """Segment the target's test cases, on their original grids: all cases of one method."""
    input:
        weights=method_weights,
        images=lambda wildcards: test_files(wildcards.direction, "image.nii"),
        grids=lambda wildcards: test_files(wildcards.direction, "grid.json"),
        source_labels=labels_of_pieces,
    output:
        predictions=directory(
            "results/{run}/seed-{seed}/predictions/{direction}/{method}"
        ),
        disagreements="results/{run}/seed-{seed}/disagreement/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/predict_cases/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/predict_cases/{direction}-{method}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        cases=lambda wildcards: cases_of(target_of(wildcards.direction), "test"),
        structures=STRUCTURES,
        inference=method_values("inference"),
        window=lambda wildcards: patch_of(network_of(wildcards.method)),
        code=code_version("dar_uda.segmentation.predict"),
    script:
        "../scripts/predict_cases.py"

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
    wildcard_constraints:
        network=TRAINED,
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus_of_training,
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


use rule train_segmenter as train_candidates with:
    # As train_segmenter, without the cases kept aside, and with several networks to choose from.
    input:
        images=lambda wildcards: segmenter_images(wildcards, trained_cases(wildcards)),
        labels=lambda wildcards: segmenter_labels(wildcards, trained_cases(wildcards)),
        source_images=lambda wildcards: untranslated(
            wildcards, "image.nii", trained_cases(wildcards)
        ),
        source_labels=lambda wildcards: untranslated(
            wildcards, "label.nii", trained_cases(wildcards)
        ),
    output:
        weights=directory(
            f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{CANDIDATES}/weights"
        ),
        history=f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{CANDIDATES}/history.tsv",
        resources=f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{CANDIDATES}/resources.json",
    log:
        "results/{run}/logs/train_candidates/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_candidates/{training_set}-{network}-{seed}.tsv"
    params:
        segmentation=rules.train_segmenter.params.segmentation,
        randomisation=rules.train_segmenter.params.randomisation,
        network=rules.train_segmenter.params.network,
        classes=len(STRUCTURES) + 1,
        candidates=method_values("selection")["candidates"],
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.segmentation.train"),


rule choose_candidate:
    """Keep the best of a training's candidates, by source cases kept aside, or by the target's test cases."""
    input:
        candidates=f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{CANDIDATES}/weights",
        images=lambda wildcards: judged_files(wildcards, "images"),
        labels=lambda wildcards: judged_files(wildcards, "labels"),
        unlabelled=lambda wildcards: judged_files(wildcards, "unlabelled"),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-{choice}/weights.safetensors",
        table="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-{choice}/choice.tsv",
    log:
        "results/{run}/logs/choose_candidate/{training_set}-{network}-{choice}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/choose_candidate/{training_set}-{network}-{choice}-{seed}.tsv"
    wildcard_constraints:
        network=TRAINED,
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        structures=STRUCTURES,
        inference={
            key: method_values("inference")[key]
            for key in ("overlap", "weighting", "batch")
        },
        window=lambda wildcards: patch_of(wildcards.network),
        code=code_version("dar_uda.segmentation.model_selection"),
    script:
        "../scripts/choose_candidate.py"


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

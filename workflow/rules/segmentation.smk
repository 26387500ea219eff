"""From labelled volumes to masks of the target's test cases (3D)."""


rule train_segmenter:
    """Train a segmentation network on a training set, real or synthetic."""
    input:
        images=segmenter_images,
        labels=segmenter_labels,
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/history.tsv",
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
        segmentation=method_values("segmentation"),
        network=lambda wildcards: config["networks"][wildcards.network],
        classes=len(STRUCTURES) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.segmentation.train"),
    script:
        "../scripts/train_segmenter.py"


for target in sorted({target_of(direction) for direction in DIRECTIONS}):

    rule:
        """Segment the target's test cases, on their original grids: all cases of one method."""
        name:
            f"predict_cases_{target}"
        input:
            weights=method_weights,
            images=case_files(target, cases_of(target, "test"), "image.nii"),
            grids=case_files(target, cases_of(target, "test"), "grid.json"),
        output:
            predictions=expand(
                "results/{{run}}/seed-{{seed}}/predictions/{{direction}}/{{method}}/{case}.nii.gz",
                case=cases_of(target, "test"),
            ),
        log:
            "results/{run}/logs/predict_cases/{direction}-{method}-{seed}.log",
        benchmark:
            "results/{run}/benchmarks/predict_cases/{direction}-{method}-{seed}.tsv"
        wildcard_constraints:
            direction=rf"[A-Za-z0-9]+-to-{target}",
        conda:
            "../../envs/torch.yaml"
        threads: half_the_cores
        resources:
            gpu=gpus,
            mem_mb=16000,
            runtime="4h",
        params:
            inference=method_values("inference"),
            window=method_values("segmentation")["patch"],
            code=code_version("dar_uda.segmentation.predict"),
        script:
            "../scripts/predict_cases.py"

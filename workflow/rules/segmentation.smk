"""From labeled volumes to masks of the target's test cases (3D)."""


rule train_segmenter:
    """Train a segmentation network on a training set, real or synthetic."""
    input:
        images=lambda wildcards: PLAN.volumes.images(wildcards.training_set, wildcards.seed),
        labels=lambda wildcards: PLAN.volumes.labels(wildcards.training_set),
        source_images=lambda wildcards: PLAN.volumes.mixed_in(wildcards.training_set, wildcards.network, "image.nii"),
        source_labels=lambda wildcards: PLAN.volumes.mixed_in(wildcards.training_set, wildcards.network, "label.nii"),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/history.tsv",
        usage="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/usage.json",
    log:
        "results/{run}/logs/train_segmenter/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_segmenter/{training_set}-{network}-{seed}.tsv"
    wildcard_constraints:
        network=PLAN.network_pattern(of_nnunet=False),
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus_of_training,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=lambda wildcards: PLAN.networks.training_values(
            wildcards.network, "domain_randomization", "self_training"
        ),
        domain_randomization=lambda wildcards: PLAN.networks.domain_randomization(wildcards.network),
        network=lambda wildcards: PLAN.networks.switches(wildcards.network),
        classes=len(TASK.structures) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.segmentation.train"),
    script:
        "../scripts/train_segmenter.py"


use rule train_segmenter as train_candidates with:
    # As train_segmenter, without the cases kept aside, and with several networks to choose from.
    input:
        images=lambda wildcards: PLAN.volumes.images(
            wildcards.training_set,
            wildcards.seed,
            PLAN.candidates.trained(wildcards.training_set),
        ),
        labels=lambda wildcards: PLAN.volumes.labels(
            wildcards.training_set, PLAN.candidates.trained(wildcards.training_set)
        ),
        source_images=lambda wildcards: PLAN.volumes.mixed_in(
            wildcards.training_set,
            wildcards.network,
            "image.nii",
            PLAN.candidates.trained(wildcards.training_set),
        ),
        source_labels=lambda wildcards: PLAN.volumes.mixed_in(
            wildcards.training_set,
            wildcards.network,
            "label.nii",
            PLAN.candidates.trained(wildcards.training_set),
        ),
    output:
        weights=directory("results/{run}/seed-{seed}/segmenters/{training_set}/{network}-candidates/weights"),
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-candidates/history.tsv",
        usage="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-candidates/usage.json",
    log:
        "results/{run}/logs/train_candidates/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_candidates/{training_set}-{network}-{seed}.tsv"
    params:
        segmentation=rules.train_segmenter.params.segmentation,
        domain_randomization=rules.train_segmenter.params.domain_randomization,
        network=rules.train_segmenter.params.network,
        classes=len(TASK.structures) + 1,
        candidates=CONFIG.branch("model_selection")["candidates"],
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.segmentation.train"),


rule select_model:
    """Keep the best of a training's candidates, by source cases kept aside, or by the target's test cases."""
    input:
        candidates="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-candidates/weights",
        images=lambda wildcards: PLAN.candidates.images(wildcards.training_set, wildcards.selection, wildcards.seed),
        labels=lambda wildcards: PLAN.candidates.labels(wildcards.training_set, wildcards.selection),
        unlabeled=lambda wildcards: PLAN.candidates.unlabeled(wildcards.training_set, wildcards.selection),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-{selection}/weights.safetensors",
        table="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-{selection}/model_selection.tsv",
    log:
        "results/{run}/logs/select_model/{training_set}-{network}-{selection}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/select_model/{training_set}-{network}-{selection}-{seed}.tsv"
    wildcard_constraints:
        network=PLAN.network_pattern(of_nnunet=False),
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        structures=list(TASK.structures),
        inference=PLAN.networks.predictor(),
        window=lambda wildcards: PLAN.networks.patch_size(wildcards.network),
        code=code_version("dar_uda.segmentation.model_selection"),
    script:
        "../scripts/select_model.py"


rule predict_cases:
    """Segment the target's test cases, on their original grids: all cases of one method."""
    input:
        weights=lambda wildcards: PLAN.weights(wildcards.method, wildcards.direction, wildcards.seed),
        images=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "image.nii"),
        grids=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "grid.json"),
        source_structures=lambda wildcards: PLAN.volumes.components_of_source(
            wildcards.direction, PLAN.methods[wildcards.method]
        ),
    output:
        predictions=directory("results/{run}/seed-{seed}/predictions/{direction}/{method}"),
        tta_inconsistency="results/{run}/seed-{seed}/tta_inconsistency/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/predict_cases/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/predict_cases/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        method=PLAN.method_pattern(of_nnunet=False),
        direction=PLAN.direction_pattern(chunked=False),
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        cases=lambda wildcards: PLAN.volumes.test_cases(wildcards.direction),
        structures=list(TASK.structures),
        inference=lambda wildcards: PLAN.networks.inference(PLAN.methods[wildcards.method].is_post_processed),
        window=lambda wildcards: PLAN.networks.patch_size(str(PLAN.methods[wildcards.method].predictor)),
        code=code_version("dar_uda.segmentation.predict"),
    script:
        "../scripts/predict_cases.py"


use rule predict_cases as predict_chunk with:
    # As predict_cases, where there are many: of one chunk of them.
    input:
        weights=rules.predict_cases.input.weights,
        images=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "image.nii", wildcards.chunk),
        grids=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "grid.json", wildcards.chunk),
        source_structures=rules.predict_cases.input.source_structures,
    output:
        predictions=directory("results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/masks"),
        tta_inconsistency="results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/tta_inconsistency.tsv",
    log:
        "results/{run}/logs/predict_chunk/{direction}-{method}-{seed}/{chunk}.log",
    benchmark:
        "results/{run}/benchmarks/predict_chunk/{direction}-{method}-{seed}/{chunk}.tsv"
    wildcard_constraints:
        method=PLAN.method_pattern(of_nnunet=False),
        direction=PLAN.direction_pattern(chunked=True),
    params:
        cases=lambda wildcards: PLAN.volumes.chunks(wildcards.direction)[wildcards.chunk],
        structures=rules.predict_cases.params.structures,
        inference=rules.predict_cases.params.inference,
        window=rules.predict_cases.params.window,
        code=code_version("dar_uda.segmentation.predict"),


rule gather_predictions:
    """Bring the masks of a method's chunks into one folder."""
    input:
        masks=lambda wildcards: PLAN.chunk_files(wildcards.method, wildcards.direction, wildcards.seed, "masks"),
        tables=lambda wildcards: PLAN.chunk_files(
            wildcards.method, wildcards.direction, wildcards.seed, "tta_inconsistency.tsv"
        ),
    output:
        predictions=directory("results/{run}/seed-{seed}/predictions/{direction}/{method}"),
        tta_inconsistency="results/{run}/seed-{seed}/tta_inconsistency/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/gather_predictions/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/gather_predictions/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        direction=PLAN.direction_pattern(chunked=True),
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=1000,
        runtime="1h",
    params:
        cases=rules.predict_cases.params.cases,
        structures=rules.predict_cases.params.structures,
        code=code_version("dar_uda.data.chunks"),
    script:
        "../scripts/gather_predictions.py"


rule read_external_masks:
    """Bring masks that another program made into the form of a method's: classes, on the grids of the scans."""
    input:
        lambda wildcards: voxels(PLAN.external_files(wildcards.method, wildcards.direction).values()),
        masks=lambda wildcards: given([*PLAN.external_files(wildcards.method, wildcards.direction).values()]),
        grids=lambda wildcards: PLAN.volumes.of_tests(wildcards.direction, "grid.json"),
    output:
        predictions=directory("results/{run}/seed-{seed}/predictions/{direction}/{method}"),
        missing="results/{run}/seed-{seed}/missing_masks/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/read_external_masks/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/read_external_masks/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        method=PLAN.external_pattern(),
    priority: 1
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        cases=rules.predict_cases.params.cases,
        scored=lambda wildcards: PLAN.volumes.scored_cases(wildcards.direction),
        found=lambda wildcards: list(PLAN.external_files(wildcards.method, wildcards.direction)),
        structures=rules.predict_cases.params.structures,
        values=lambda wildcards: PLAN.external_values(wildcards.method, wildcards.direction),
        has_others=lambda wildcards: bool(CONFIG.external[wildcards.method].labels),
        versions=PLAN.paths.versions,
        version=lambda wildcards: version_of(
            images=[],
            labels=PLAN.external_files(wildcards.method, wildcards.direction).values(),
        ),
        code=code_version("dar_uda.evaluation.external_masks"),
    script:
        "../scripts/read_external_masks.py"

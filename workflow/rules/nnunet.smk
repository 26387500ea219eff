"""nnU-Net in place of our networks, on the same volumes and with the same steps after it."""

from snakemake.settings.types import DeploymentMethod

HAS_ENVIRONMENT = (
    not workflow.is_main_process or DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
)
"""Whether conda makes one; the process of a job need not know."""


rule write_nnunet_dataset:
    """Say which volumes and label maps a training set has, and which belong to one patient, as nnU-Net reads it."""
    input:
        images=lambda wildcards: PLAN.volumes.images(wildcards.training_set, wildcards.seed),
        labels=lambda wildcards: PLAN.volumes.labels(wildcards.training_set),
    output:
        dataset="results/{run}/seed-{seed}/nnunet/{training_set}/dataset.json",
        splits="results/{run}/seed-{seed}/nnunet/{training_set}/splits_final.json",
    log:
        "results/{run}/logs/write_nnunet_dataset/{training_set}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/write_nnunet_dataset/{training_set}-{seed}.tsv"
    conda:
        "../../envs/imaging.yaml"
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        cases=lambda wildcards: PLAN.volumes.labeled(wildcards.training_set),
        patients=lambda wildcards: PLAN.volumes.labeled_patients(wildcards.training_set),
        structures=list(TASK.structures),
        code=code_version("dar_uda.nnunet.dataset"),
    script:
        "../scripts/write_nnunet_dataset.py"


rule train_nnunet:
    """Train nnU-Net on a training set, real or synthetic."""
    input:
        dataset="results/{run}/seed-{seed}/nnunet/{training_set}/dataset.json",
        images=rules.write_nnunet_dataset.input.images,
        labels=rules.write_nnunet_dataset.input.labels,
    output:
        model=directory("results/{run}/seed-{seed}/segmenters/{training_set}/{network}/model"),
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/history.tsv",
        usage="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/usage.json",
    log:
        "results/{run}/logs/train_nnunet/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_nnunet/{training_set}-{network}-{seed}.tsv"
    wildcard_constraints:
        network=PLAN.network_pattern(of_nnunet=True),
    conda:
        "../../envs/nnunet.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="48h",
    params:
        nnunet=lambda wildcards: PLAN.nnunet(HAS_ENVIRONMENT),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.nnunet.train") + code_version("dar_uda.nnunet.trainer.dar_uda_trainer"),
    script:
        "../scripts/train_nnunet.py"


rule predict_nnunet:
    """Segment the target's test cases with nnU-Net, on their original grids: all cases of one method."""
    input:
        model=lambda wildcards: PLAN.weights(wildcards.method, wildcards.direction, wildcards.seed),
        images=rules.predict_cases.input.images,
        grids=rules.predict_cases.input.grids,
        source_structures=rules.predict_cases.input.source_structures,
    output:
        predictions=directory("results/{run}/seed-{seed}/predictions/{direction}/{method}"),
        tta_inconsistency="results/{run}/seed-{seed}/tta_inconsistency/{direction}/{method}.tsv",
    log:
        "results/{run}/logs/predict_nnunet/{direction}-{method}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/predict_nnunet/{direction}-{method}-{seed}.tsv"
    wildcard_constraints:
        method=PLAN.method_pattern(of_nnunet=True),
        direction=PLAN.direction_pattern(chunked=False),
    conda:
        "../../envs/nnunet.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        cases=rules.predict_cases.params.cases,
        structures=list(TASK.structures),
        inference=lambda wildcards: PLAN.networks.masks(PLAN.methods[wildcards.method].is_post_processed),
        code=code_version("dar_uda.nnunet.predict"),
    script:
        "../scripts/predict_nnunet.py"


use rule predict_nnunet as predict_nnunet_chunk with:
    # As predict_nnunet, where there are many cases: of one chunk of them.
    input:
        model=rules.predict_nnunet.input.model,
        images=rules.predict_chunk.input.images,
        grids=rules.predict_chunk.input.grids,
        source_structures=rules.predict_cases.input.source_structures,
    output:
        predictions=directory("results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/masks"),
        tta_inconsistency="results/{run}/seed-{seed}/chunks/{direction}/{method}/{chunk}/tta_inconsistency.tsv",
    log:
        "results/{run}/logs/predict_nnunet_chunk/{direction}-{method}-{seed}/{chunk}.log",
    benchmark:
        "results/{run}/benchmarks/predict_nnunet_chunk/{direction}-{method}-{seed}/{chunk}.tsv"
    wildcard_constraints:
        method=PLAN.method_pattern(of_nnunet=True),
        direction=PLAN.direction_pattern(chunked=True),
    params:
        cases=rules.predict_chunk.params.cases,
        structures=rules.predict_nnunet.params.structures,
        inference=rules.predict_nnunet.params.inference,
        code=code_version("dar_uda.nnunet.predict"),

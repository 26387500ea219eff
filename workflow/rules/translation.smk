"""From slices of both domains to synthetic volumes of the target (2D)."""


rule train_translator:
    """Learn to translate slices between the two domains, content apart from style."""
    input:
        slices=[slices_of(domain, "npy") for domain in DOMAINS],
    output:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/disentangled/history.tsv",
        samples=report(
            "results/{run}/seed-{seed}/translators/disentangled/samples.png",
            caption="../report/samples.rst",
            category="Translation",
        ),
    log:
        "results/{run}/logs/train_translator/disentangled-{seed}.log",
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus_of_training,
        mem_mb=16000,
        runtime="24h",
    params:
        translation=method_values("translation"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.train"),
    script:
        "../scripts/train_translator.py"


rule encode_styles:
    """Encode the target's styles and choose those of every source case."""
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        slices=lambda wildcards: slices_of(target_of(wildcards.direction), "npy"),
        table=lambda wildcards: slices_of(target_of(wildcards.direction), "tsv"),
    output:
        codes="results/{run}/seed-{seed}/styles/{direction}/{translation}/codes.tsv",
        styles="results/{run}/seed-{seed}/styles/{direction}/{translation}/styles.tsv",
    log:
        "results/{run}/logs/encode_styles/{direction}-{translation}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/encode_styles/{direction}-{translation}-{seed}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime="1h",
    params:
        strategy=lambda wildcards: wildcards.translation.removeprefix("disentangled-"),
        clusters=lambda wildcards: style_count(wildcards.translation),
        domain=lambda wildcards: TASK.domains[target_of(wildcards.direction)].letter,
        source_cases=lambda wildcards: source_cases(wildcards.direction),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.styles"),
    script:
        "../scripts/encode_styles.py"


rule synthesize_volume:
    """Redraw a source volume in the target's styles: all styles of one case."""
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-multi/styles.tsv",
        image=lambda wildcards: case_files(
            source_of(wildcards.direction), [wildcards.case], "image.nii"
        )[0],
        label=harmonising_label,
    output:
        volumes=style_files("disentangled-multi"),
    log:
        "results/{run}/logs/synthesize_volume/{direction}-disentangled-multi-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-multi-{seed}/{case}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime="1h",
    params:
        code=code_version("dar_uda.translation.synthesis"),
    script:
        "../scripts/synthesize_volume.py"


use rule synthesize_volume as synthesize_average_volume with:
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-average/styles.tsv",
        image=lambda wildcards: case_files(
            source_of(wildcards.direction), [wildcards.case], "image.nii"
        )[0],
        label=harmonising_label,
    output:
        volumes=style_files("disentangled-average"),
    log:
        "results/{run}/logs/synthesize_volume/{direction}-disentangled-average-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-average-{seed}/{case}.tsv"

"""What a method trains on, and where its synthetic volumes and weights lie."""


def style_count(strategy):
    return method_values("styles")["clusters"] if strategy == "multi" else 1


def synthetic_volumes(direction, strategy, case, seed):
    """Return the synthetic volumes of one source case, one per style."""
    folder = f"results/{RUN}/seed-{seed}/synthetic/{direction}/disentangled-{strategy}/{case}"
    return [f"{folder}/style-{style}.nii" for style in range(style_count(strategy))]


def harmonising_label(wildcards):
    """Return the source's label map where synthetic volumes are harmonised with it."""
    if not method_values("styles")["harmonise"]:
        return []
    return case_files(source_of(wildcards.direction), [wildcards.case], "label.nii")[0]


def style_files(strategy):
    """Return the path patterns of one case's synthetic volumes."""
    return expand(
        "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/disentangled-{strategy}/{{case}}/style-{style}.nii",
        strategy=strategy,
        style=range(style_count(strategy)),
    )


def training_set_of(method, direction):
    """Return the training set of a method in a direction: a domain, or `direction.translator-strategy`."""
    return METHODS[method]["training_set"].format(
        direction=direction, source=source_of(direction), target=target_of(direction)
    )


def strategy_of(training_set):
    """Return the direction and style strategy of a synthetic training set; (None, None) for a domain."""
    if training_set in DOMAINS:
        return None, None
    direction, translation = training_set.split(".")
    return direction, translation.removeprefix("disentangled-")


def synthetic_strategies(direction):
    """Return the style strategies that the run's methods use in a direction, `multi` first."""
    used = {strategy_of(training_set_of(method, direction))[1] for method in METHODS}
    return [strategy for strategy in STRATEGIES if strategy in used]


def segmenter_images(wildcards):
    """Return the volumes of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "image.nii",
        )
    return [
        volume
        for case in source_cases(direction)
        for volume in synthetic_volumes(direction, strategy, case, wildcards.seed)
    ]


def segmenter_labels(wildcards):
    """Return the label map of every volume of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "label.nii",
        )
    labels = case_files(source_of(direction), source_cases(direction), "label.nii")
    return [label for label in labels for _ in range(style_count(strategy))]


def untranslated(wildcards, name):
    """Return the source volumes' files that a randomised synthetic training set is mixed with."""
    direction, _ = strategy_of(wildcards.training_set)
    randomised = wildcards.network.endswith(RANDOMISED)
    if direction is None or not randomised or not randomisation()["source_share"]:
        return []
    return case_files(source_of(direction), source_cases(direction), name)


def randomisation():
    """Return how randomised segmenters are trained; None where the budget randomises nothing."""
    values = method_values("segmentation")["randomisation"]
    return values if any(values.values()) else None


def is_randomised(method):
    return METHODS[method].get("randomised", False) and randomisation() is not None


def is_self_trained(method):
    steps = method_values("segmentation")["self_training"]["steps"]
    return METHODS[method].get("self_trained", False) and steps > 0


def rounds_of(method):
    """Return the networks that a method trains one after the other, as their folders name them."""
    first = METHODS[method]["network"] + (RANDOMISED if is_randomised(method) else "")
    return [first, first + SELF_TRAINED] if is_self_trained(method) else [first]


def network_of(method):
    """Return the network with which a method predicts: `dar_unet`, `dar_unet-randomised-selftrained` and so on."""
    return rounds_of(method)[-1]


def target_files(wildcards, name):
    """Return one file of each training case of the target for whose segmenter a synthetic training set is."""
    direction, _ = strategy_of(wildcards.training_set)
    target = target_of(direction)
    return case_files(target, cases_of(target, "train"), name)


def target_cases(wildcards):
    direction, _ = strategy_of(wildcards.training_set)
    return cases_of(target_of(direction), "train")


def source_labels(wildcards):
    """Return the label maps of the source's labelled training cases, of a synthetic training set."""
    direction, _ = strategy_of(wildcards.training_set)
    return case_files(source_of(direction), source_cases(direction), "label.nii")


def segmenter_file(method, direction, seed, name, network=None):
    """Return a file of the network with which a method predicts, or of one of its rounds."""
    folder = (
        f"results/{RUN}/seed-{seed}/segmenters/{training_set_of(method, direction)}"
    )
    return f"{folder}/{network or network_of(method)}/{name}"


def method_weights(wildcards):
    return segmenter_file(
        wildcards.method, wildcards.direction, wildcards.seed, "weights.safetensors"
    )


def cannot_train(method, direction):
    """Return whether a method needs labels of the target's training cases, of which there are none."""
    target = target_of(direction)
    return training_set_of(method, direction) == target and not cases_of(
        target, "train", labelled=True
    )


def check_cases():
    """Stop where a direction of the run lacks cases that its methods need."""
    for direction in DIRECTIONS:
        target = target_of(direction)
        if not cases_of(target, "test"):
            raise WorkflowError(
                f"Direction {direction}: domain {target} has no test case."
            )
        for method in METHODS:
            training_set = training_set_of(method, direction)
            if training_set != target:
                source_cases(direction)
            if training_set not in DOMAINS and not cases_of(target, "train"):
                raise WorkflowError(
                    f"Direction {direction}, method {method}: domain {target} has no training case."
                )


check_cases()

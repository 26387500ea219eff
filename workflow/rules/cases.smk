"""The cases of the run, and their files as inputs."""

from dar_uda.data.companions import companions
from dar_uda.plan.cases import cases_to_check, read_cases

try:
    CASES = read_cases(
        CONFIG,
        project=HERE,
        has_files=not workflow.remote_exec,
        may_generate=workflow.is_main_process,
    )
except PlanError as error:
    raise WorkflowError(str(error)) from None

cases_of = CASES.of


def file_of(case, what):
    """Return the image or label file of a case as an input.

    Where results lie in a storage that has no disk in common with this machine, the user's files stay here, and with
    them the jobs that read them.
    """
    path = getattr(case, what)
    return path if case.is_generated or not path else local(path)


def original(case, domain, what):
    """Return the user's image or label file of a case, by its name, as an input."""
    try:
        return file_of(CASES.named(domain, case), what)
    except PlanError as error:
        raise WorkflowError(str(error)) from None


def original_image(wildcards):
    return original(wildcards.case, wildcards.domain, "image")


def original_label(wildcards):
    return original(wildcards.case, wildcards.domain, "label")


def voxels_of(*paths):
    """Return the files beside the user's header files (.hdr, .mhd, .nhdr) that hold their voxels."""
    return [local(str(file)) for path in paths if path for file in companions(path)]

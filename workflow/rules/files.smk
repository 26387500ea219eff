"""The user's files as inputs of rules, and when they count as changed."""

from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.versions import Versions

VERSIONS = Versions(PLAN.paths.versions)


def given(files):
    """Return a file of the cases table, or several, as inputs.

    Where results lie in a storage that shares no disk with this machine, the user's files stay here, and with them
    the jobs that read them. Snakemake ignores their dates: see `version_of`. A volume that the run took out of a 4D
    file is an output as others.
    """
    if isinstance(files, str):
        return files if is_made(files) else ancient(local(files))
    return list(map(given, files))


def is_made(file):
    """Return whether the run makes an image or a label: the phantom's, or a volume that was taken out of a 4D file."""
    return is_phantom(file) or file.startswith(f"{PLAN.paths.folder}/")


def voxels(paths):
    """Return the files beside the user's header files (.hdr, .mhd, .nhdr) that hold their voxels."""
    return [ancient(local(str(f))) for path in paths for f in companions(path)]


def version_of(images, labels):
    """Return the version of the user's files, one or several each, as a param; a job's own process does not need it."""
    files = ([one] if isinstance(one, str) else one for one in (images, labels))
    files = ([file for file in some if not is_made(file)] for some in files)
    return VERSIONS.of(*files) if workflow.is_main_process else ""

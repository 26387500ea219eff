"""The files that hold the voxels of a header file."""

from pathlib import Path

from dar_uda.data.reading import UnreadableFileError
from dar_uda.data.volume_index import file_of


def companions(path: str | Path) -> list[Path]:
    """Return the file beside a header (.hdr, .mhd, .nhdr) that holds its voxels; empty for all other files.

    Empty also for a header that cannot be read: what is wrong with it is told when its volume is.
    """
    path = Path(file_of(path))
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        found = path.parent.iterdir() if path.parent.is_dir() else []
        named = [file for file in found if file.name.startswith(path.stem)]
        return [file for file in sorted(named) if file.name[len(path.stem) :].lower() in (".img", ".img.gz")][:1]
    if suffix not in (".mhd", ".nhdr") or not path.is_file():
        return []
    from dar_uda.data.itk_formats import read_header

    try:
        detached = read_header(path).detached
    except UnreadableFileError:
        return []
    return [detached] if detached else []

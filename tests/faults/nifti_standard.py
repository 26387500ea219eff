"""What a single-file NIfTI-1 means by the standard alone (nifti1.h): an independent reader for comparison."""

import gzip
import struct

import numpy as np

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}


def parse(path):
    """Return shape, values (float64) and affine in mm (None: both codes are 0)."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    order = "<" if struct.unpack_from("<i", data)[0] == 348 else ">"
    dim = struct.unpack_from(order + "8h", data, 40)
    shape = list(dim[1 : 1 + dim[0]])
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    kind = np.dtype(order + TYPES[struct.unpack_from(order + "h", data, 70)[0]])
    offset, slope, intercept = struct.unpack_from(order + "3f", data, 108)
    stored = np.frombuffer(data, kind, int(np.prod(shape)), int(offset or 352)).astype(np.float64)
    if slope != 0 and np.isfinite(slope):
        stored = stored * slope + intercept
    return tuple(shape), stored.reshape(shape, order="F"), _affine(data, order)


def _affine(data, order):
    qform, sform = struct.unpack_from(order + "2h", data, 252)
    pixdim = struct.unpack_from(order + "8f", data, 76)
    unit = UNITS[data[123] & 7]
    affine = np.eye(4)
    if sform > 0:
        affine[:3] = np.reshape(struct.unpack_from(order + "12f", data, 280), (3, 4))
    elif qform > 0:
        b, c, d, *offset = struct.unpack_from(order + "6f", data, 256)
        a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
        rotation = np.array([
            [a*a + b*b - c*c - d*d, 2*b*c - 2*a*d, 2*b*d + 2*a*c],
            [2*b*c + 2*a*d, a*a + c*c - b*b - d*d, 2*c*d - 2*a*b],
            [2*b*d - 2*a*c, 2*c*d + 2*a*b, a*a + d*d - c*c - b*b],
        ])  # fmt: skip
        steps = np.array([pixdim[1], pixdim[2], (-1 if pixdim[0] < 0 else 1) * pixdim[3]])
        affine[:3, :3], affine[:3, 3] = rotation * steps, offset
    else:
        return None
    affine[:3] *= unit
    return affine

"""The network of a bundle as ONNX: onnxruntime has the trained network's scores."""

import numpy as np
import pytest
import torch

from dar_uda.bundle import onnx_network
from dar_uda.segmentation.networks import load_segmenter
from tests.bundle.tiny_bundle import write_bundle


@pytest.mark.slow
def test_onnxruntime_scores_as_the_trained_network_does(tmp_path):
    reason = "not installed: it comes with the extra `dev`"
    runtime = pytest.importorskip("onnxruntime", reason=reason)
    for package in onnx_network.PACKAGES:
        pytest.importorskip(package, reason=reason)
    bundle = write_bundle(tmp_path / "bundle")
    onnx_network.write_onnx(bundle, tmp_path / "onnx")
    assert {path.name for path in (tmp_path / "onnx").iterdir()} == {
        *("model.onnx", "bundle.json", "provenance.json", "README.md"),
    }
    session = runtime.InferenceSession(tmp_path / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    network = load_segmenter(bundle / "weights.safetensors", torch.device("cpu"))
    for batch in (1, 3):
        x = torch.rand(batch, 1, 8, 16, 16) * 2 - 1
        with torch.no_grad():
            expected = network(x).numpy()
        (found,) = session.run(["scores"], {"image": x.numpy()})
        assert found.shape == expected.shape and np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    def missing(name, *_):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(onnx_network, "import_module", missing)
    with pytest.raises(RuntimeError, match=r"DAR-462: --to onnx needs the package onnx: pip install .*'\.\[export\]'"):
        onnx_network.load_onnx()

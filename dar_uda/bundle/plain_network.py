"""The network of a bundle in plain layers, for other programs."""

from pathlib import Path
from typing import Any

from dar_uda.segmentation.plain_dar_unet import PlainDARUNet
from dar_uda.training.weights import load_weights

SWITCHES = ("classes", "channels", "anisotropic", "qam", "vam")


def plain_network(weights: Path) -> tuple[PlainDARUNet, dict[str, Any]]:
    """Return the network of a weights file, ready to predict, and the arguments that build it.

    Raises:
        ValueError: It is not DAR-UNet.
    """
    state, arguments = load_weights(weights)
    if arguments["architecture"] != "dar_unet":
        raise ValueError(
            f"DAR-460: {weights.name} holds the network {arguments['architecture']}, expected dar_unet: other programs "
            "can read no other one. Leave out --to"
        )
    chosen = {name: arguments[name] for name in SWITCHES}
    network = PlainDARUNet(**chosen)
    network.load_state_dict(state)
    return network.eval(), chosen

"""3D segmentation: attention, DAR-UNet, training, sliding-window inference."""

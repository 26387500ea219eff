"""DAR-UDA: 3D unsupervised domain adaptation for cross-modality medical image segmentation."""

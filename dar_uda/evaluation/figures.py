"""The figures of a run: each function writes one PNG."""

from dar_uda.evaluation.figures_segmentation import draw_dice_boxes, draw_overlays
from dar_uda.evaluation.figures_training import draw_loss_curves
from dar_uda.evaluation.figures_translation import draw_style_scatter, draw_translations

__all__ = ["draw_dice_boxes", "draw_loss_curves", "draw_overlays", "draw_style_scatter", "draw_translations"]

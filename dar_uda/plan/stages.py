"""The rules of the workflow by stage, in the order of a run: the only list of them."""

STAGES: dict[str, tuple[str, ...]] = {
    "data": (
        *(
            "make_phantom",
            "check_cases",
            "extract_volume",
            "find_region",
            "preprocess_case",
            "preprocess_label",
            "extract_slices",
        ),
        "measure_structures",
    ),
    "translation": (
        *("train_translator", "train_cyclegan", "encode_styles"),
        *("synthesize_volume", "synthesize_uncorrected_volume", "synthesize_average_volume", "translate_volume"),
        *("train_cycada_translator", "translate_volume_by_cycada"),
    ),
    "segmentation": (
        *("train_segmenter", "train_candidates", "select_model", "label_target", "self_train_segmenter"),
        *("train_synseg_net", "train_ada_output", "train_cycada", "train_sifa"),
        *("write_nnunet_dataset", "train_nnunet", "predict_nnunet", "predict_nnunet_chunk"),
        *("predict_cases", "predict_chunk", "gather_predictions"),
        "read_external_masks",
    ),
    "evaluation": (
        *("score_method", "score_chunk", "gather_scores", "tabulate", "tabulate_tta_inconsistency"),
        "score_external_masks",
        *("measure_confidence", "tabulate_confidence"),
        *("measure_calibration", "tabulate_calibration", "measure_grid_ceiling"),
        *("draw_translations", "draw_styles", "draw_losses", "draw_overlays", "draw_look_first", "draw_extremes"),
        *("draw_boxes", "draw_differences", "draw_dice_against_asd", "draw_reliability", "write_report"),
    ),
}
ORDER: tuple[str, ...] = tuple(rule for rules in STAGES.values() for rule in rules)
CHAIN: tuple[str, ...] = (
    *("check_cases", "preprocess_case", "extract_slices", "train_translator", "encode_styles", "synthesize_volume"),
    *("train_segmenter", "predict_cases", "score_method", "tabulate"),
)
"""What takes the cases of any run to its table, adaptation included."""
OF_CHUNKS: dict[str, str] = {
    "predict_chunk": "predict_cases",
    "predict_nnunet_chunk": "predict_nnunet",
    "score_chunk": "score_method",
}
"""Rules that do for a chunk of cases what another one does for all of them."""
STAGE_OF: dict[str, str] = {rule: stage for stage, rules in STAGES.items() for rule in rules}
EVALUATION = "evaluation"
"""Also the stage of a rule that a user has added."""

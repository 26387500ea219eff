"""2D content/style translation: networks, training, styles, synthesis."""

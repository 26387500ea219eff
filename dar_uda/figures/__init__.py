"""What figures of all rooms share: colors, sizes, files."""

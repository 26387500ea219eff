"""Dice, ASD and tables on the original grid."""

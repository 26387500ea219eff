"""Dice, ASD, tables and figures on the original grid."""

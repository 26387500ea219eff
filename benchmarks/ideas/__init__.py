"""Trials of ideas that may raise Dice, each recorded: gain or none."""

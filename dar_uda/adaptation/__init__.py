"""Ways to adapt beside translation."""

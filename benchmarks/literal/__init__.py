"""The yardstick: the definitions of the method written naively, one operation after the other."""

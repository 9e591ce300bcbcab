"""Pure functions on tensors, and the substitute for mmcv's compiled ops."""

"""Estimators with intervals, paired comparisons, power, calibration and agreement.

Pure: numpy in, frozen records out; randomness is an argument. `intervals` first, the others build on it.
"""

"""Outcomes in, estimates out. Pure: no clock, disk, network or global random numbers."""

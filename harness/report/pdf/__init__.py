"""The executive report as PDF."""

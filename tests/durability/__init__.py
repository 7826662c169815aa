"""Runs survive kills, faults, full disks, rivals and damage; `make test-durability` runs the long tests."""

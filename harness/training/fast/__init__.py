"""The same training with less work: shared prefixes, frozen layers, fused adapters, loss where it counts."""

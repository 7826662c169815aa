"""Open models one may tune: size, licence, context, and the memory they need."""

"""One module an option. Arms answer; they never score."""

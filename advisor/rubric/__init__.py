"""What an option is scored by: factors with weights and sources, vetoes, and bands of what to expect."""

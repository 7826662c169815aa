"""What a text tells of a person, what of it may leave this machine, and in what form."""

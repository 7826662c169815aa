"""Records in, blocks out: the only place where the words of a report are made."""

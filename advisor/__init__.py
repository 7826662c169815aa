"""What to try for a use case, and what it should cost; pure but for its command line and file loaders."""

"""Turn an adapter into what is served: merged weights, GGUF files, launch files."""

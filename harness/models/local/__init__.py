"""Models in this process: answers scored label by label, embeddings, llama.cpp."""

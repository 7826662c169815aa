"""Serve tuned models over an OpenAI-compatible API: requests in, labels out, distributions counted."""

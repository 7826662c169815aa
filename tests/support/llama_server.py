"""llama.cpp's own OpenAI-compatible server on loopback, serving a GGUF file."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def llama_server(gguf: Path, *, slots: int = 2, context: int = 2048) -> Iterator[str]:
    """Serve `gguf` on one CPU thread; yields the base address ending in /v1."""
    import xllamacpp

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx = context * slots
    params.n_parallel = slots
    params.n_predict = 256  # no answer may run on for ever
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.ui = False
    params.warmup = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # its destructor stops the server and waits for it

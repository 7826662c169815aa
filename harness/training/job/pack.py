"""Pack a training into a folder: script, notebook, rows, recipe. Pure but for reading our own sources.

train.py          everything in one file; needs train.jsonl, dev.jsonl and job.json beside it
train.ipynb       the same with the rows in it, for Colab or Kaggle: upload this file alone
train.jsonl, dev.jsonl    {"id": ..., "messages": [{"role": ..., "content": ...}, ...]}
job.json          which arm of which plan, recipe and base
requirements.txt  pinned versions
"""

from __future__ import annotations

import ast
import base64
import gzip
import inspect
import json
from collections.abc import Mapping, Sequence
from types import ModuleType

from harness.core.records import Conversation, Message
from harness.core.serial import encode
from harness.models.local import rendering
from harness.training import rows as token_rows
from harness.training.job import remote
from harness.training.tuned_model import ExportedJob

REQUIREMENTS = (
    "unsloth==2026.10.9",
    "unsloth_zoo==2026.10.9",
    "trl==1.14.2",
    "transformers==5.17.0",
    "peft==0.21.2",
    "datasets==4.8.5",
)
_HEAD = '''"""Tunes {base} for {arm} (seed {seed}) with Unsloth; made by `harness tune --export-job`.

    pip install -r requirements.txt && python train.py

Writes adapter/, which `harness import latest adapter --arm {arm}` takes.
Not run on a GPU by whoever wrote it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

'''
_TAIL = """

if __name__ == "__main__":
    main(Path(__file__).resolve().parent)
"""


def job_files(job: ExportedJob, train: Sequence[Conversation], dev: Sequence[Conversation]) -> dict[str, str]:
    """File name -> text of everything a job consists of."""
    files = {
        "train.py": script(job),
        "train.jsonl": jsonl(train),
        "dev.jsonl": jsonl(dev),
        "job.json": encode(job, indent=1) + "\n",
        "requirements.txt": "\n".join(REQUIREMENTS) + "\n",
    }
    return files | {"train.ipynb": notebook(job, files)}


def jsonl(rows: Sequence[Conversation]) -> str:
    """Rows with roles and contents, the answer as the assistant's turn."""
    lines = []
    for row in rows:
        turns = [{"role": m.role, "content": m.content} for m in row.prompt]
        turns.append({"role": "assistant", "content": row.completion})
        lines.append(json.dumps({"id": row.item_id, "messages": turns}, ensure_ascii=True))
    return "\n".join(lines) + "\n"


def script(job: ExportedJob) -> str:
    """The script: our own rendering and rows, and what trains them."""
    parts = [inspect.getsource(record) for record in (Message, Conversation)]
    parts += [_body(module) for module in (rendering, token_rows, remote)]
    head = _HEAD.format(base=job.hub_base, arm=job.arm, seed=job.seed)
    return head + "\n\n" + "\n\n\n".join(parts) + "\n" + _TAIL


def notebook(job: ExportedJob, files: Mapping[str, str]) -> str:
    """The notebook: install, unpack what is in it, train, offer the adapter for download."""
    packed = base64.b64encode(gzip.compress(json.dumps(dict(files)).encode(), mtime=0)).decode()
    cells = [
        _text(
            f"# Tune {job.hub_base} for {job.arm}\n\n"
            "Choose a GPU runtime (T4 or L4 will do for small models), then run all cells. "
            "The rows are in this notebook: whoever has it has them."
        ),
        _code("%pip install -q " + " ".join(REQUIREMENTS)),
        _code(
            "import base64, gzip, json, pathlib\n"
            f'packed = "{packed}"\n'
            "for name, text in json.loads(gzip.decompress(base64.b64decode(packed))).items():\n"
            '    pathlib.Path(name).write_text(text, encoding="utf-8")'
        ),
        _code("%run train.py"),
        _code(
            'import shutil\nshutil.make_archive("adapter", "zip", "adapter")\n'
            "try:\n    from google.colab import files\n    files.download('adapter.zip')\n"
            "except ImportError:\n    print('adapter.zip is in the working folder')"
        ),
        _text(f"Unpack it and: `harness import latest adapter --arm {job.arm}`"),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel, "accelerator": "GPU"},
        "cells": [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)],
    }
    return json.dumps(book, indent=1) + "\n"


def _body(module: ModuleType) -> str:
    """A module's source without its docstring and imports."""
    source = inspect.getsource(module)
    kept = []
    for node in ast.parse(source).body:
        wordless = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if wordless or isinstance(node, ast.Import | ast.ImportFrom):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        kept.append("\n".join(source.splitlines()[first - 1 : node.end_lineno]))
    return "\n\n\n".join(kept)


def _code(source: str) -> dict[str, object]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": lines}


def _text(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}

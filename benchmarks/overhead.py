"""What a served model's client costs: one server on loopback, the same requests, each client in turn.

The server (aiohttp, a process of its own) answers every request after a pause with a fixed completion. Bare
aiohttp is the floor that the machine allows; then the client that `openai/NAME` at an address of one's own
gets, the one through litellm that other providers get, and `asyncio.gather` over litellm alone. CPU seconds
are this process's alone. Repeats take turns, medians are printed.

Run: python benchmarks/overhead.py [--requests 3080] [--pause-ms 50] [--wide 64] [--repeats 3]

With `--commands`, whole commands instead, of this project and of other harnesses, on Banking77's test rows
(TOR_DATA_DIR says where they lie): wall time from the start of the process to its end, apart into before the
first call came to the server, calls, and after the last answer; CPU seconds of the process and its children.
Each runs once before with a few rows, so that files and caches are warm. The harnesses live in environments
of their own, never in this one; those that are not named or not there are skipped:

    python -m venv /tmp/lm-eval   && /tmp/lm-eval/bin/pip install 'lm-eval[api]'
    python -m venv /tmp/inspect   && /tmp/inspect/bin/pip install inspect-ai openai
    mkdir /tmp/promptfoo && cd /tmp/promptfoo && npm install promptfoo

    python benchmarks/overhead.py --commands --lm-eval /tmp/lm-eval/bin --inspect /tmp/inspect/bin \\
        --promptfoo /tmp/promptfoo/node_modules/.bin
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import dataclasses
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.core.records import Choices, Message
from harness.models.api.asking import Outside
from harness.models.api.calls import Form, LitellmCaller, Route
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.destinations import destination
from harness.models.api.library import load_litellm
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings

SERVER = """
import asyncio, json, sys, time
from aiohttp import web
pause = float(sys.argv[1])
seen = {"calls": 0, "first": 0.0, "last": 0.0}
body = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop",
     "message": {"role": "assistant", "content": '{"label": "card_arrival"}'}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}}).encode()
async def answer(request):
    seen["calls"] += 1
    seen["first"] = seen["first"] or time.time()
    await request.read()
    await asyncio.sleep(pause)
    seen["last"] = time.time()
    return web.Response(body=body, content_type="application/json")
async def told(request):
    found = dict(seen)
    seen.update(calls=0, first=0.0, last=0.0)
    return web.json_response(found)
async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/seen", told)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
LABELS = (*(f"label {number}" for number in range(76)), "card_arrival")


def requests_of(count: int) -> list[ChatRequest]:
    """Questions like those of a prompt arm with 77 labels."""
    shown = Message(role="system", content="Answer with one label: " + ", ".join(LABELS))
    form = Choices(answers=LABELS)
    return [
        ChatRequest(item_id=str(n), messages=(shown, Message(role="user", content=f"ticket {n}")), form=form)
        for n in range(count)
    ]


def bare(base: str, requests: list[ChatRequest], wide: int) -> int:
    """`aiohttp` with nothing around it; the answers counted."""
    import aiohttp

    async def main() -> int:
        waiting, answered = iter(requests), 0

        async def work(session: aiohttp.ClientSession) -> None:
            nonlocal answered
            for request in waiting:
                turns = [{"role": m.role, "content": m.content} for m in request.messages]
                sent: dict[str, Any] = {"model": "m", "messages": turns, "max_tokens": 80}
                async with session.post(f"{base}/chat/completions", json=sent) as response:
                    answered += bool((await response.json())["choices"])

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=wide)) as session:
            await asyncio.gather(*(work(session) for _ in range(wide)))
        return answered

    return asyncio.run(main())


def own(base: str, requests: list[ChatRequest], wide: int) -> int:
    """The client that an address of one's own gets."""
    settings = ModelSettings(cache=Path("unused"), api_base=base, concurrency=wide)
    return _answered(open_served_chat("openai/m", settings, outside=Outside(environ={})), requests)


def litellm(base: str, requests: list[ChatRequest], wide: int) -> int:
    """The same client on litellm's path."""
    settings = ModelSettings(cache=Path("unused"), api_base=base, concurrency=wide)
    route = Route(
        model="openai/m",
        where=destination("openai", base, offline=True),
        api_key="none",
        key_variable="TOR_API_KEY",
        timeout_s=60.0,
        seed=17,
        secrets=(),
    )
    caller = LitellmCaller(load_litellm())
    form = Form(schema=True)
    return _answered(ServedChat(caller, route, form, settings, None, Outside(environ={})), requests)


def gathered(base: str, requests: list[ChatRequest], wide: int) -> int:
    """`asyncio.gather` over `litellm.acompletion` behind a semaphore, as its documentation has it."""
    litellm = load_litellm()

    async def main() -> int:
        slots = asyncio.Semaphore(wide)

        async def ask(request: ChatRequest) -> bool:
            turns = [{"role": m.role, "content": m.content} for m in request.messages]
            async with slots:
                said = await litellm.acompletion(
                    model="openai/m", messages=turns, max_tokens=80, api_base=base, api_key="none"
                )
            return bool(said.choices)

        return sum(await asyncio.gather(*map(ask, requests)))

    return asyncio.run(main())


def _answered(chat: ServedChat, requests: list[ChatRequest]) -> int:
    try:
        return sum(isinstance(outcome, ChatReply) for outcome in chat.answer(requests))
    finally:
        chat.close()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A whole command.

    Attributes:
        words: it and its arguments; `limit(n)` adds what lets it ask about n rows only.
        environ: what it needs beside the environment.
    """

    name: str
    words: tuple[str, ...]
    limit: Callable[[int], tuple[str, ...]]
    environ: dict[str, str] = dataclasses.field(default_factory=dict)


_ASKS = "Classify the message into exactly one of the labels below. Answer with the label's name only."
_PLAN = """\
seed: 17
data: {{evalset: banking77, limit_dev: 60{more}}}
arms: [{{option: {option}, model: openai/m, api_base: "{base}"}}]
latency: {{items: 0}}
cost: {{price_date: "2026-11-23"}}
retrieve: {{k: [4], dev_items: 20}}
"""
_INSPECT = """\
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import exact
from inspect_ai.solver import generate, system_message
from pathlib import Path
here = Path(__file__).parent
@task
def tickets():
    rows = json_dataset(str(here / "rows.jsonl"), FieldSpec(input="text", target="label"))
    return Task(dataset=rows, solver=[system_message(str(here / "asks.txt")), generate()], scorer=exact())
"""


def commands(args: argparse.Namespace, base: str, room: Path) -> Iterator[Command]:
    """Those of this project, and of the harnesses that are there; files they need are written to the room."""
    rows = _rows()[: args.requests]
    asks = (
        _ASKS + "\n\nLabels:\n" + "\n".join(f"- {label}" for label in sorted({one["label"] for one in rows}))
    )
    (room / "asks.txt").write_text(asks)
    (room / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for option in args.own:
        yield _own_command(option, args, base, room)
    here = {"lm-eval": args.lm_eval, "promptfoo": args.promptfoo, "inspect-ai": args.inspect}
    makers = {"lm-eval": _lm_eval, "promptfoo": _promptfoo, "inspect-ai": _inspect}
    for name, folder in here.items():
        if folder is None or not folder.is_dir():
            print(f"{name:14} skipped: {folder or 'not named'} (the head of this file says how to make it)")
        else:
            yield makers[name](args, base, room, asks)


def _rows() -> list[dict[str, str]]:
    path = Path(os.environ.get("TOR_DATA_DIR", "")) / "banking77" / "test.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [{"text": row["text"], "label": row["category"]} for row in csv.DictReader(file)]


def _own_command(option: str, args: argparse.Namespace, base: str, room: Path) -> Command:
    few, all_ = room / f"{option}-few.yaml", room / f"{option}.yaml"
    for path, count in ((few, 64), (all_, args.requests)):
        more = f", limit_test: {count}" if count < 3080 else ""
        path.write_text(_PLAN.format(more=more, option=option, base=base))
    words = (sys.executable, "-m", "harness", "run", "-j", str(args.wide))
    return Command(
        name=f"own, {option}",
        words=words,
        limit=lambda count: (
            str(few if count < args.requests else all_),
            "--runs",
            tempfile.mkdtemp(dir=room),
        ),
        environ={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )


def _lm_eval(args: argparse.Namespace, base: str, room: Path, asks: str) -> Command:
    task = {
        "task": "tickets",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(room / "rows.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{label}}",
        "generation_kwargs": {"until": [], "max_gen_toks": 80},
        "metric_list": [{"metric": "exact_match"}],
    }
    (room / "tasks").mkdir()
    (room / "tasks" / "tickets.yaml").write_text(json.dumps(task))  # JSON is YAML
    given = f"model=m,base_url={base}/chat/completions,num_concurrent={args.wide},max_retries=3"
    words = (
        str(args.lm_eval / "lm_eval"),
        "run",
        "--model",
        "local-chat-completions",
        "--model_args",
        given,
        "--tasks",
        "tickets",
        "--include_path",
        str(room / "tasks"),
        "--apply_chat_template",
        "--system_instruction",
        asks,
        "--output_path",
        str(room / "lm-eval"),
        "--log_samples",
    )
    environ = {"HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none", "HF_HOME": str(room / "hf")}
    return Command(name="lm-eval", words=words, limit=lambda count: ("--limit", str(count)), environ=environ)


def _promptfoo(args: argparse.Namespace, base: str, room: Path, asks: str) -> Command:
    (room / "tests.json").write_text(
        json.dumps(
            [
                {"vars": {"text": row["text"]}, "assert": [{"type": "equals", "value": row["label"]}]}
                for row in map(json.loads, (room / "rows.jsonl").read_text().splitlines())
            ]
        )
    )
    turns = [{"role": "system", "content": asks}, {"role": "user", "content": "{{text}}"}]
    (room / "prompt.json").write_text(json.dumps(turns))
    given = {"apiBaseUrl": base, "apiKey": "none", "max_tokens": 80, "temperature": 0}
    config = {
        "prompts": [f"file://{room / 'prompt.json'}"],
        "providers": [{"id": "openai:chat:m", "config": given}],
        "tests": f"file://{room / 'tests.json'}",
    }
    (room / "promptfoo.json").write_text(json.dumps(config))
    words = (
        str(args.promptfoo / "promptfoo"),
        "eval",
        "-c",
        str(room / "promptfoo.json"),
        "-j",
        str(args.wide),
        "--no-cache",
        "--no-table",
        "--no-progress-bar",
        "--no-share",
        "-o",
        str(room / "promptfoo-out.jsonl"),
    )
    environ = {
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
        "PROMPTFOO_FAILED_TEST_EXIT_CODE": "0",
        "PROMPTFOO_CONFIG_DIR": str(room / "promptfoo"),
        "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    }
    return Command(
        name="promptfoo", words=words, limit=lambda count: ("--filter-first-n", str(count)), environ=environ
    )


def _inspect(args: argparse.Namespace, base: str, room: Path, asks: str) -> Command:
    (room / "tickets.py").write_text(_INSPECT)
    words = (
        str(args.inspect / "inspect"),
        "eval",
        "tickets.py",
        "--model",
        "openai-api/own/m",
        "--max-connections",
        str(args.wide),
        "--max-samples",
        str(args.wide),
        "--max-tokens",
        "80",
        "--display",
        "none",
        "--no-log-realtime",
        "--log-buffer",
        "1000",
        "--no-score-display",
        "--ctl-server",
        "false",
        "--log-dir",
        str(room / "inspect"),
    )
    environ = {"OWN_API_KEY": "none", "OWN_BASE_URL": base}
    return Command(
        name="inspect-ai", words=words, limit=lambda count: ("--limit", str(count)), environ=environ
    )


def whole(command: Command, count: int, base: str, room: Path) -> tuple[float, ...]:
    """Seconds before the first call, of calls and after the last answer; CPU seconds; calls.

    Raises:
        SystemExit: if the command failed, or asked too little.
    """
    seen_at = base.removesuffix("/v1") + "/seen"
    urllib.request.urlopen(seen_at).close()
    log = room / f"{command.name.replace(', ', '-')}.log"
    began = time.time()
    with log.open("wb") as out:
        words = [*command.words, *command.limit(count)]
        process = subprocess.Popen(
            words, cwd=room, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **command.environ}
        )
        _, status, used = os.wait4(process.pid, 0)
    ended = time.time()
    process.returncode = os.waitstatus_to_exitcode(status)
    with urllib.request.urlopen(seen_at) as answer:
        seen = json.load(answer)
    if process.returncode and seen["calls"] >= count:
        print(f"    {command.name} ended with {process.returncode} once all was answered")
    elif process.returncode or seen["calls"] < count:
        said = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{command.name} ended with {process.returncode}, {seen['calls']} calls:\n{said}")
    cpu = used.ru_utime + used.ru_stime
    return seen["first"] - began, seen["last"] - seen["first"], ended - seen["last"], cpu, seen["calls"]


def compare_commands(args: argparse.Namespace, base: str) -> None:
    """Run every command in turn, `--repeats` times, and print medians."""
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        found = list(commands(args, base, room))
        taken: dict[str, list[tuple[float, ...]]] = {one.name: [] for one in found}
        for one in found:
            print(
                f"  {one.name}: {shlex.join(word if len(word) < 200 else '...' for word in one.words)}",
                flush=True,
            )
            whole(one, min(64, args.requests), base, room)
        for _ in range(args.repeats):
            for one in found:
                taken[one.name].append(whole(one, args.requests, base, room))
                print(f"    {one.name}: {taken[one.name][-1][3]:.1f} CPU s", flush=True)
        print(f"{'':16} wall s = before + calls + after   CPU s   calls   calls over floor")
        for label, runs in taken.items():
            before, calls, after, cpu, count = (
                statistics.median(column) for column in zip(*runs, strict=True)
            )
            over = calls / (count / args.wide * args.pause_ms / 1000)
            print(
                f"{label:16} {before + calls + after:6.1f} = {before:5.1f} + {calls:5.1f} + {after:5.1f}  "
                f"{cpu:6.1f}   {count:,.0f}   {over:.2f}"
            )


def main() -> None:
    """Print a line a client."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=3080)
    parser.add_argument("--pause-ms", type=float, default=50.0)
    parser.add_argument("--wide", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--commands", action="store_true", help="whole commands")
    parser.add_argument("--own", nargs="+", default=["prompt", "retrieve"], help="arms of this project")
    parser.add_argument("--lm-eval", type=Path, metavar="BIN", help="bin of an environment with lm-eval[api]")
    parser.add_argument("--inspect", type=Path, metavar="BIN", help="bin of one with inspect-ai and openai")
    parser.add_argument("--promptfoo", type=Path, metavar="BIN", help="node_modules/.bin with promptfoo")
    args = parser.parse_args()
    clients: dict[str, Callable[[str, list[ChatRequest], int], int]] = {
        "bare aiohttp": bare,
        "own, direct": own,
        "own, litellm": litellm,
        "litellm gather": gathered,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    command = [sys.executable, "-c", SERVER, str(args.pause_ms / 1000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            base = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            floor = args.requests / args.wide * args.pause_ms / 1000
            print(f"{args.requests} requests, {args.pause_ms:g} ms, {args.wide} wide, floor {floor:.1f} s")
            if args.commands:
                compare_commands(args, base)
                return
            requests = requests_of(args.requests)
            for client in clients.values():
                client(base, requests[:20], args.wide)  # imports and first connections do not count
            for _ in range(args.repeats):
                for name, client in clients.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    answered = client(base, requests, args.wide)
                    assert answered == len(requests), f"{name} answered {answered} of {len(requests)}"
                    taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        finally:
            server.terminate()
    for name, pairs in taken.items():
        walls, cpus = zip(*pairs, strict=True)
        wall, cpu = statistics.median(walls), statistics.median(cpus)
        rate = args.requests / cpu
        print(f"{name:14} wall {wall:6.2f} s   CPU {cpu:6.2f} s   {rate:7,.0f} requests a CPU second")


if __name__ == "__main__":
    main()

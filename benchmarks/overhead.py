"""What a served model's client costs: one server on loopback, the same requests, each client in turn.

The server (aiohttp, a process of its own) answers every request after a pause with a fixed completion. Bare
aiohttp is the floor that the machine allows; then the client that `openai/NAME` at an address of one's own
gets, and the one through litellm that other providers get. CPU seconds are this process's alone. Repeats
take turns, medians are printed.

Run: python benchmarks/overhead.py [--requests 3080] [--pause-ms 50] [--wide 64] [--repeats 3]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
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
import asyncio, json, sys
from aiohttp import web
pause = float(sys.argv[1])
body = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop",
     "message": {"role": "assistant", "content": '{"label": "billing"}'}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}}).encode()
async def answer(request):
    await request.read()
    await asyncio.sleep(pause)
    return web.Response(body=body, content_type="application/json")
async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
LABELS = (*(f"label {number}" for number in range(76)), "billing")


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


def _answered(chat: ServedChat, requests: list[ChatRequest]) -> int:
    try:
        return sum(isinstance(outcome, ChatReply) for outcome in chat.answer(requests))
    finally:
        chat.close()


def main() -> None:
    """Print a line a client."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=3080)
    parser.add_argument("--pause-ms", type=float, default=50.0)
    parser.add_argument("--wide", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    requests = requests_of(args.requests)
    clients: dict[str, Callable[[str, list[ChatRequest], int], int]] = {
        "bare aiohttp": bare,
        "own, direct": own,
        "own, litellm": litellm,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    command = [sys.executable, "-c", SERVER, str(args.pause_ms / 1000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            base = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
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
    floor = args.requests / args.wide * args.pause_ms / 1000
    print(f"{args.requests} requests, {args.pause_ms:g} ms, {args.wide} wide, floor {floor:.1f} s")
    for name, pairs in taken.items():
        walls, cpus = zip(*pairs, strict=True)
        wall, cpu = statistics.median(walls), statistics.median(cpus)
        rate = args.requests / cpu
        print(f"{name:14} wall {wall:6.2f} s   CPU {cpu:6.2f} s   {rate:7,.0f} requests a CPU second")


if __name__ == "__main__":
    main()

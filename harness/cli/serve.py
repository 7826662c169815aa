"""`harness serve`: what ships behind an OpenAI-compatible API."""

from __future__ import annotations

import shlex
import signal
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import ArmName, AtRegistry, HereOptions, SeedNumber
from harness.cli.typed import one_of
from harness.core.errors import UsageError


@grouped
def serve(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|ADAPTER|FOLDER]...", help="Runs, adapters of the registry, or exported folders."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Engine of a tuned model: transformers, llamacpp or vllm.")
    ] = "transformers",
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines can reach it.")
    ] = False,
    api_key: Annotated[
        str, typer.Option("--api-key", envvar="TOR_SERVE_API_KEY", help="Ask clients for this bearer token.")
    ] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="Another name that clients reach it by.")
    ] = None,
    max_choices: Annotated[
        int, typer.Option("--max-choices", min=1, help="Labels that one request may name.")
    ] = 256,
    queue: Annotated[
        int, typer.Option("--queue", min=1, help="Requests that may wait for a model; more get a 503.")
    ] = 256,
    request_timeout: Annotated[
        float, typer.Option("--request-timeout", min=1, max=3600, help="Seconds a request may take.")
    ] = 120.0,
    as_sent: Annotated[
        bool, typer.Option("--as-sent", help="Ask models as clients ask, not as they were trained.")
    ] = False,
    gguf: Annotated[str, typer.Option("--gguf", help="Precision of the file written for llamacpp.")] = "q8_0",
    greedy: Annotated[
        bool, typer.Option("--greedy", help="llamacpp: choose token by token, as its own server does.")
    ] = False,
    vllm_at: Annotated[
        str, typer.Option("--vllm-at", help="vllm: address of one that runs already; answer through it.")
    ] = "",
    vllm_args: Annotated[
        str, typer.Option("--vllm-args", help="vllm: more of its flags, such as '--dtype float32'.")
    ] = "",
    print_command: Annotated[
        bool, typer.Option("--print", help="vllm: print the command instead of running it.")
    ] = False,
    arm: ArmName = "",
    seed: SeedNumber = None,
    *,
    at: AtRegistry,
    here: HereOptions,
) -> None:
    """Serve what a run recommends: /v1/models, /v1/chat/completions, /metrics."""
    from harness.recommendation.store import recommended_arm
    from harness.shipping import serving
    from harness.shipping.serve.server import Address, LabelServer, ready_to_serve

    one_of(engine, serving.ENGINES, "engine")
    hosts = tuple(allow_host or ())
    address = Address(host=host, port=port, allow_remote=allow_remote, api_key=api_key, hosts=hosts)
    ready_to_serve(address)
    context = here.context()
    wish = serving.ServeRequest(
        targets=tuple(targets or ("latest",)),
        engine=engine,  # type: ignore[arg-type]
        arm=arm,
        seed=seed,
        registry=at.registry,
        as_sent=as_sent,
        gguf=gguf,
        greedy=greedy,
        vllm_at=vllm_at,
        recommended=recommended_arm,
    )
    if (vllm_at or vllm_args) and engine != "vllm":
        raise UsageError("--vllm-at and --vllm-args go with --engine vllm.", got=f"--engine {engine}")
    if engine == "vllm" and not vllm_at:
        words = [*serving.vllm_command(wish, context, port or 8000), *_flags(vllm_args)]
        context.progress.close()
        for name in serving.say_codes(wish, context):
            typer.echo(
                f"{name} answers with codes, one token each: ask for one token. `harness export` writes "
                "request.json, which asks so, and labels.json, which says what each code means.",
                err=True,
            )
        if print_command:
            typer.echo(shlex.join(words))
            return
        serving.become_vllm(words)
    from harness.shipping.serve.app import LineLimits, ServeLimits

    service = serving.open_service(wish, context)
    line = LineLimits(most_waiting=queue, timeout_s=request_timeout)
    server = LabelServer(service, address, ServeLimits(choices=max_choices, line=line))
    context.progress.close()
    typer.echo(f"Serving {', '.join(service.names)} at {server.url}", err=True)
    typer.echo(f"  --model openai/{service.names[0]} --api-base {server.url}", err=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        server.run()
    except (KeyboardInterrupt, SystemExit):
        typer.echo("stopped", err=True)
    finally:
        server.close()
        service.close()


def _stop(number: int, frame: object) -> None:
    raise SystemExit(0)


def _flags(text: str) -> list[str]:
    """Flags as a shell reads them.

    Raises:
        UsageError: if a quote is left open.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError("--vllm-args cannot be read as flags.", got=f"{text}: {error}") from error

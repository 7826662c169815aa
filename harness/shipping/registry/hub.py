"""Put an adapter on the Hugging Face Hub: a repository, one commit, safetensors and texts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ModelUnavailable, UsageError, needs
from harness.shipping.registry.registry import checked_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Where an adapter goes on the hub.

    Attributes:
        repo: `org/name`.
        token: with the right to write there.
    """

    repo: str
    token: str
    private: bool
    message: str


def hub_token(environ: Mapping[str, str]) -> str:
    """The access token: `HF_TOKEN`, or the one `hf auth login` stored.

    Raises:
        UsageError: if there is none.
    """
    token = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or _stored_token()
    if token:
        return token
    raise UsageError(
        "Pushing to the Hugging Face Hub needs an access token.",
        got="HF_TOKEN is not set, and nobody has logged in",
        allowed="a token with write access, from your account's settings on the hub",
        run="export HF_TOKEN=...   # or: hf auth login",
    )


def push_adapter(folder: Path, push: Push, api: Any = None) -> str:
    """Push a folder; returns the commit's address.

    Args:
        api: a `huggingface_hub.HfApi`, for tests; made from the token when None.

    Raises:
        MissingExtra: without huggingface_hub.
        ModelUnavailable: if the folder holds what may not be pushed, or the hub refuses.
    """
    checked_files(folder)
    with needs("local"):
        from httpx import HTTPError
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    hub = api or HfApi(token=push.token)
    try:
        hub.create_repo(repo_id=push.repo, private=push.private, exist_ok=True, repo_type="model")
        done = hub.upload_folder(
            repo_id=push.repo, folder_path=str(folder), commit_message=push.message, repo_type="model"
        )
    except HFValidationError as error:
        raise UsageError("This is no name of a repository.", got=push.repo, allowed="org/name") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"The hub did not take {push.repo}.",
            got=first.replace(push.token, "***"),
            allowed="a reachable hub and a token that may write there",
        ) from error
    return str(getattr(done, "commit_url", done))


def _stored_token() -> str:
    with needs("local"):
        from huggingface_hub import get_token
    return get_token() or ""

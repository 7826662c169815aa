"""An index whose passages a service embeds: built, searched, updated, and checked before anything leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.core.context import Context
from harness.core.errors import DataError, ModelUnavailable, OverBudget
from harness.knowledge.documents import source_of
from harness.knowledge.passage_index import IndexSettings
from harness.knowledge.run import build, open_index, update
from tests.harness.bakeoff.test_budget_of_a_run import context
from tests.harness.bakeoff.test_served_search import answered, embeddings
from tests.support.scripted_server import ANOTHER, ScriptedServer, scripted

pytestmark = pytest.mark.usefixtures("another_machine")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(answered) as running:
        yield running


def documents(folder: Path) -> Path:
    home = folder / "docs"
    home.mkdir()
    (home / "leave.md").write_text("# Leave\n\nThirty days of leave a year.\n")
    (home / "travel.md").write_text("# Travel\n\nTrains are booked by the office.\n")
    return home


def at(server: ScriptedServer, host: str = "127.0.0.1") -> IndexSettings:
    return IndexSettings(
        embedding="openai/embedder", embedding_base=server.address.replace("127.0.0.1", host)
    )


def asked(folder: Path, **changes: Any) -> Context:
    return dataclasses.replace(context(folder, price="openai/embedder=100/0"), **changes)


def test_it_is_built_searched_and_updated_with_what_is_new_alone(
    tmp_path: Path, server: ScriptedServer
) -> None:
    home = documents(tmp_path)
    report = build(source_of(str(home)), at(server), tmp_path / "index", asked(tmp_path))
    assert report.record.embedding is not None and report.record.embedding.id == "openai/embedder"
    assert [len(texts) for texts in embeddings(server)] == [2]
    opened = open_index(tmp_path / "index", asked(tmp_path))
    [hits] = opened.search("days of leave", 1)
    assert opened.by_id[hits[0].item_id].document == "leave.md"
    (home / "new.md").write_text("# Parking\n\nParking is free.\n")
    update(tmp_path / "index", asked(tmp_path))
    assert len(embeddings(server)[-1]) == 1, "the others stand in the index"


def test_personal_data_is_found_before_any_passage_leaves(tmp_path: Path, server: ScriptedServer) -> None:
    home = documents(tmp_path)
    (home / "zz.md").write_text("# People\n\nWrite to anna.meier@example.com for keys.\n")
    where = source_of(str(home)), at(server, ANOTHER), tmp_path / "index"
    with pytest.raises(DataError, match="e-mail"):
        build(*where, asked(tmp_path))
    assert server.requests == []
    build(*where, asked(tmp_path, personal_data="allow"))
    assert len(embeddings(server)[0]) == 3


def test_the_budget_and_offline_hold(tmp_path: Path, server: ScriptedServer) -> None:
    home = documents(tmp_path)
    where = source_of(str(home)), at(server), tmp_path / "index"
    with pytest.raises(OverBudget):
        build(*where, asked(tmp_path, budget_usd=Decimal("0.000001")))
    with pytest.raises(ModelUnavailable, match="offline"):
        build(source_of(str(home)), at(server, ANOTHER), tmp_path / "index", asked(tmp_path, offline=True))
    assert server.requests == []

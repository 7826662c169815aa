"""What leaves this machine in a run: one check before the first row does, and of every question on its way.

A text leaves when its model is called anywhere but on this machine. An address on one's own network counts
as elsewhere until its host is named as one's own (`--own-host`): from here a gateway that passes texts on
looks like any other server. What a server on this machine passes on cannot be seen either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.options import Option
from harness.bakeoff.addresses import embedding_identity, host_outside, search_hosts
from harness.bakeoff.evalset import open_passages
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.run_folder import PLACEHOLDERS, PRIVACY, RunFolder
from harness.core.context import Context, PersonalData
from harness.core.errors import DataError
from harness.core.records import Evalset, Item
from harness.models.base import ChatRequest
from harness.privacy.detect import Kind
from harness.privacy.redact import Placeholders, redacting, strings_of
from harness.privacy.tally import Tally, tally
from harness.tasks.base import Task
from harness.tasks.wording import in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRecord:
    """What was found in the rows of a run before they were sent, and what became of it; no value of it.

    Attributes:
        personal_data: 'redact' or 'allow', as was asked; '' where nothing was found.
        found: distinct values by kind, as words name them.
        arms: those whose questions leave this machine; hosts: where these go.
    """

    personal_data: PersonalData
    found: Mapping[str, int]
    rows: int
    texts: int
    arms: tuple[str, ...]
    hosts: tuple[str, ...]


class Leaving:
    """Decides what may be sent, for all arms of a plan."""

    def __init__(self, plan: ExperimentPlan, evalset: Evalset, folder: RunFolder, context: Context) -> None:
        """Nothing is read before it has to be.

        Args:
            folder: of the run; what is measured in a folder within it goes by what was asked for the run.
        """
        self._plan, self._evalset, self._context = plan, evalset, context
        self._folder, self._home = folder, folder.home
        self._placeholders: Placeholders | None = None
        self._checked: set[str] | None = None
        self._found: Tally | None = None
        self._texts: set[str] = set()

    @property
    def _asked(self) -> PersonalData:
        if self._context.personal_data:
            return self._context.personal_data
        stored = self._home.part(PRIVACY, SentRecord)
        return stored.personal_data if stored is not None else ""

    def leaves(self, arm: ArmPlan) -> bool:
        """Whether the arm's questions go anywhere but to this machine or a host of one's own."""
        return bool(host_outside(arm, self._context))

    @property
    def _embeds_outside(self) -> bool:
        found = embedding_identity(self._plan)
        return found is not None and found.location == "remote"

    @property
    def _arms(self) -> list[ArmPlan]:
        """Arms with texts that leave this machine, to be answered, embedded or ranked."""
        return [arm for arm in self._plan.arms if self._hosts(arm)]

    def _hosts(self, arm: ArmPlan) -> tuple[str, ...]:
        own = host_outside(arm, self._context)
        return tuple(dict.fromkeys((*([own] if own else []), *search_hosts(arm, self._plan, self._context))))

    def searched(self, text: str) -> str:
        """Called with every text before it is sent to be embedded or ranked: as it may go.

        Raises:
            DataError: as `check`.
        """
        self.check()
        if self._asked == "redact":
            return self.placeholders().redact(text)
        if self._asked == "allow" or text in self._texts:
            return text
        if found := tally([("a text to find with", text)]):
            raise self._refusal(found, self._arms)
        self._texts.add(text)
        return text

    def task(self, arm: ArmPlan, task: Task) -> Task:
        """The task as this arm is to put it: with placeholders where that was asked and texts leave."""
        if self._asked != "redact" or not self.leaves(arm):
            return task
        self.check()  # placeholders are numbered in the order of the rows, whatever is asked first
        return redacting(task, self.placeholders())

    def placeholders(self) -> Placeholders:
        """Those of the run."""
        if self._placeholders is None:
            self._placeholders = Placeholders.read(self._home.root / PLACEHOLDERS)
        return self._placeholders

    def check(self, more: Sequence[Item] = ()) -> None:
        """Read everything that is to leave, once, before any of it does.

        Args:
            more: inputs out of scope, which arms are asked that learn from labelled rows.

        Raises:
            DataError: there is personal data in it, and nobody said what is to be done about it.
        """
        arms = self._arms
        if not arms or self._checked is not None:
            return
        asked = (*self._evalset.dev, *self._evalset.test)
        if any(arm.option.traits.robustness_checked for arm in arms):
            asked = (*asked, *more)
        texts = list(texts_of(arms, self._evalset, asked, self._context, embeds_outside=self._embeds_outside))
        found = tally(texts)
        if found and not self._asked:
            raise self._refusal(found, arms)
        if found and self._asked == "redact":
            if named := tally(_named(self._evalset)):
                raise DataError(
                    f"What may be answered holds personal data: {named.words}. It cannot be replaced.",
                    got="; ".join(named.examples.values()),
                    allowed="labels or fields without it, or --allow-pii",
                )
            self._number(arms, asked)
        self._checked, self._found = {item.id for item in asked}, found
        self._texts = {text for _, text in texts} | {item.text for item in (*asked, *self._evalset.train)}

    def note(self) -> None:
        """Keep with the run what was found and what becomes of it: called once nothing stands against it."""
        arms = self._arms
        if self._found is None or not arms:
            return
        record = SentRecord(
            personal_data=self._asked,
            found={kind.nouns: count for kind, count in sorted(self._found.values.items())},
            rows=self._found.rows,
            texts=self._found.texts,
            arms=tuple(str(arm.id) for arm in arms),
            hosts=tuple(dict.fromkeys(host for arm in arms for host in self._hosts(arm))),
        )
        self._folder.write_part(PRIVACY, record)

    def let_go(self, request: ChatRequest) -> None:
        """Called with every question before it is sent: nothing goes that was not checked.

        Where values are replaced, the question is read as it goes: none may be left in it, but for what
        looks like a name since texts were joined.

        Raises:
            DataError: as `check`.
        """
        self.check()
        assert self._checked is not None
        if self._asked == "allow" or (request.item_id in self._checked and not self._asked):
            return
        arms = self._arms
        texts = [(f"the question about {request.item_id}", message.content) for message in request.messages]
        found = tally(texts)
        joined = self._asked == "redact" and found.values.keys() == {Kind.NAME}  # a close, then a heading
        if found and not joined:
            raise self._refusal(found, arms)
        self._checked.add(request.item_id)

    def _number(self, arms: Sequence[ArmPlan], asked: Sequence[Item]) -> None:
        """Give every value its placeholder, those of targets first: they are written as answers should be."""
        placeholders = self.placeholders()
        named = texts_of(arms, self._evalset, asked, self._context, embeds_outside=self._embeds_outside)
        texts = [text for _, text in named]
        placeholders.avoid(texts)
        rows = (*asked, *self._evalset.train)
        for text in (
            *(one for row in rows if isinstance(row.target, dict) for one in strings_of(row.target)),
            *texts,
        ):
            placeholders.redact(text)
        placeholders.keep()

    def _refusal(self, found: Tally, arms: Sequence[ArmPlan]) -> DataError:
        hosts = ", ".join(dict.fromkeys(host for arm in arms for host in self._hosts(arm)))
        names = ", ".join(str(arm.id) for arm in arms)
        return DataError(
            f"{found.rows:,} of {found.texts:,} texts that {names} would send to {hosts} hold personal data: "
            f"{found.words}. Nothing was sent.",
            got="; ".join(f"{kind.noun} {example}" for kind, example in found.examples.items()),
            allowed="--redact sends placeholders and reads answers with the values in their place; "
            "--allow-pii sends the texts as they are; --own-host HOST says that a host is your own",
            run=self._again(),
        )

    def _again(self) -> str:
        begun = (self._home.root / "items.jsonl").exists() and self._home.manifest() is None
        return self._home.command("resume", "--redact") if begun else "the same command with --redact"


def texts_of(
    arms: Sequence[ArmPlan],
    evalset: Evalset,
    asked: Iterable[Item],
    context: Context,
    *,
    embeds_outside: bool,
) -> Iterator[tuple[str, str]]:
    """Every text that these arms may send: questions, rows that are shown with their answers, passages.

    Args:
        embeds_outside: rows and passages are embedded elsewhere, whichever arm searches them.
    """
    for item in asked:
        yield f"row {item.id}", item.text
    shown = (Option.RETRIEVE, Option.TUNE, Option.TUNE_RETRIEVE)
    shows = embeds_outside or any(arm.option in shown or arm.all_documents for arm in arms)
    if shows and evalset.documents:
        for passage in open_passages(evalset.documents, None, context).passages:
            yield passage.document, passage.whole
    elif shows:
        for item in evalset.train:
            yield f"row {item.id}", f"{item.text}\n{in_words(item.target)}"
    if evalset.lessons and any(arm.option is Option.TUNE_RETRIEVE for arm in arms):
        lessons = evalset.lessons
        yield from texts_of(arms, lessons, lessons.train, context, embeds_outside=embeds_outside)
    yield from _named(evalset)


def _named(evalset: Evalset) -> Iterator[tuple[str, str]]:
    """What stands in every prompt: the answers that may be given, and what is said of them."""
    for label in evalset.labels:
        yield f"the label {label.name}", f"{label.name}\n{label.definition}"
    if evalset.schema:
        yield "what is said of the fields", "\n".join(strings_of(evalset.schema))

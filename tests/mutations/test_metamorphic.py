"""A seeded sample of the changes that may alter no verdict, also over histories with findings; and one that does."""

import json
from functools import cache
from pathlib import Path
from random import Random

import pytest

from scenarios.history import History, read_history
from scenarios.history_schema import COLUMNS
from scenarios.judge import judge
from tests.mutations.all import MUTATIONS
from tests.mutations.draft import Draft
from tests.mutations.metamorphic import CHANGES, Change, altered, judged
from tests.mutations.scene import Scene
from tests.recorded import recorded

pytestmark = pytest.mark.unit
SEED = 7
HISTORIES = 5


@cache
def scenes() -> tuple[Scene, ...]:
    return tuple(Scene(each) for each in recorded())


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.name)
def test_it_alters_no_verdict(change: Change) -> None:
    done = 0
    for scene in Random(f"{SEED}-{change.name}").sample(scenes(), len(scenes())):
        draft = scene.draft()
        if change.make(scene, draft, Random(f"{SEED}-{change.name}-{scene.recorded.name}")):
            assert altered(scene, draft, change) == [], f"{scene.recorded.name}, seed {SEED}"
            done += 1
        if done == HISTORIES:
            return
    assert done, "no recorded history has anything to change"


@pytest.mark.parametrize("change", [each for each in CHANGES if each.exact], ids=lambda each: each.name)
def test_it_alters_no_finding_either(change: Change) -> None:
    for mutation in Random(f"{SEED}-{change.name}").sample(MUTATIONS, 6):
        scene = next(each for each in scenes() if mutation.make(each, Random(SEED)) is not None)
        before, after = mutation.make(scene, Random(SEED)), mutation.make(scene, Random(SEED))
        assert before
        assert after
        change.make(scene, after.draft, Random(f"{SEED}-{change.name}"))
        assert altered(scene, after.draft, change, before=before.draft) == [], f"{mutation.name}, seed {SEED}"


def test_what_does_alter_a_verdict_is_told() -> None:
    def late(scene: Scene, draft: Draft, _random: Random) -> bool:
        job = scene.done[0].job
        draft.drop("acked", lambda row: row["job"] == job)
        draft.change("state", lambda row: row["job"] == job, found_in=["here", "there"])
        return True

    scene = next(each for each in scenes() if each.recorded.name == "reference-steady")
    draft = scene.draft()
    late(scene, draft, Random(SEED))
    told = altered(scene, draft, Change("late", "it need not", late, exact=True))
    assert any(text.startswith("states: pass became fail") for text in told)
    n = len(scene.original.acked)
    assert f"lost: ({n}, 0, 0) became ({n - 1}, 0, 0)" in told
    assert any(text.startswith("unknown_share") for text in told)


def test_the_original_is_never_changed() -> None:
    scene = scenes()[0]
    before = {kind: frame.clone() for kind, frame in scene.original.history.frames.items()}
    for change in CHANGES:
        change.make(scene, scene.draft(), Random(SEED))
    assert all(before[kind].equals(scene.original.history.frames[kind]) for kind in COLUMNS)
    assert judged(scene, scene.draft()).failed == ()


def ledgers(scene: Scene, directory: Path, random: Random) -> None:
    """The same events as raw ledgers: each writer's lines in order, writers dealt to files and mixed at random."""
    by_writer: dict[str, list[dict[str, object]]] = {}
    writers = {row["w"]: row["role"] for row in scene.original.rows["open"]}
    first = {role: w for w, role in reversed(writers.items())}
    by_run = {row["run"]: row["w"] for row in scene.original.rows["started"]}
    role_of = {"invoked": "producer", "acked": "producer", "rejected": "producer", "unknown": "producer"}
    for kind in COLUMNS:
        for row in scene.original.rows[kind]:
            w = row.get("w") or by_run.get(row.get("run", "")) or first[role_of.get(kind, "harness")]
            by_writer.setdefault(w, []).append({"e": kind, **row, "w": w})
    (directory / "ledger").mkdir()
    files = [directory / "ledger" / f"{n}.jsonl" for n in range(3)]
    dealt: dict[Path, list[list[str]]] = {path: [] for path in files}
    for events in by_writer.values():
        events.sort(key=lambda event: (int(str(event["t"])), event["e"] != "open"))
        lines = [json.dumps({**event, "seq": seq}, separators=(",", ":")) for seq, event in enumerate(events, start=1)]
        dealt[random.choice(files)].append(lines)
    for path, queues in dealt.items():
        mixed: list[str] = []
        while any(queues):
            mixed.append(random.choice([queue for queue in queues if queue]).pop(0))
        path.write_text("".join(line + "\n" for line in mixed), encoding="utf-8")
        path.with_name(path.name + ".intact").touch()


@pytest.mark.parametrize("name", ["reference-workers_killed", "reference-cancelled"])
def test_lines_permuted_between_writers_and_writers_dealt_to_other_files_tell_the_same(
    tmp_path: Path, name: str
) -> None:
    scene = next(each for each in scenes() if each.recorded.name == name)
    told: list[History] = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        ledgers(scene, tmp_path / str(number), Random(f"{SEED}-{number}"))
        told.append(read_history(tmp_path / str(number)))
    for kind in COLUMNS:
        assert told[0].frames[kind].height == len(scene.original.rows[kind]), kind
    was = [(each.name, each.verdict, each.judged) for each in judged(scene, scene.draft()).checkers]
    for history in told:
        now = judge(history, scene.promise, scene.scenario).checkers
        assert [(each.name, each.verdict, each.judged) for each in now] == was

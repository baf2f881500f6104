"""At once: a worker that fails every task as soon as it has it, and clips that kill every engine. The worker is found by its canary before it did much harm, the clips fail
for good after three workers, and nobody else suffers."""
import time

import chaos_load
from chaos_run import Scenario

STEPS, STEP_MS = 4, 60
HOLE_TAKES = 3
WORKERS_A_POISON = 3
HOLE, POISON = "failed task of the black hole", "engine killed by a poison clip"


def poison(run, batch, count):
    """Some lines of the batch become poison; their clips."""
    clips = sorted(run.draw.sample(range(len(batch["lines"])), count))
    for clip in clips:
        batch["lines"][clip]["pattern"] = {"crash_step": run.draw.randint(1, STEPS)}
    return clips


def judge_hole(run, facts, hole, name):
    run.hits[HOLE] = run.tried[HOLE] = len([p for p in hole.played() if not p["attempt"].startswith("canary")])
    mine = [a for a in facts.of_worker(name) if a.end == "failed"]
    run.expect(len(mine) > 0, "the black hole failed tasks")
    run.expect(len(mine) <= HOLE_TAKES, f"the black hole is stopped after {HOLE_TAKES} tasks at most", len(mine))
    shown = run.farm.zoe("worker", "show", name, json_out=True)
    run.expect(shown["state"] == "quarantined", "the black hole is in quarantine", f"{shown['state']} {shown['reason']}")


def judge_poison(run, facts, batch, clips, sick):
    for clip in clips:
        ends = [a for a in facts.attempts if a.batch == batch["id"] and a.clip == clip and a.end == "failed" and a.worker not in sick]
        run.hits[POISON] += len(ends)
        run.expect(len({a.worker for a in ends}) <= WORKERS_A_POISON, f"a poison clip fails after {WORKERS_A_POISON} workers", [a.worker for a in ends])
        run.expect(all(a.message for a in ends), "each death says how", [a.message for a in ends])
    listed = run.farm.zoe("batch", "show", batch["id"])
    run.expect("killed by signal" in listed, "the farm says why the clip failed", listed)


def run_it(run):
    names = run.names()
    sick = names[0]
    run.sick.add(sick)
    run.attempts_max = 6
    run.start(names=names[1:])
    hole = run.farm.sick_worker(sick, "--threads", "1")
    run.go(until=lambda: len((run.farm.ask("worker", "list") or {"workers": []})["workers"]) == run.count and run.farm.ask("worker", "show", sick)["state"] == "idle",
           what="the black hole is admitted while it is well")
    hole.order("fail", canaries=True)
    batches = chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS)
    spoiled = next(b for b in batches if b["name"] == "single0")
    clips = poison(run, spoiled, 1 if run.short else 5)
    run.tried[POISON] = len(clips) * WORKERS_A_POISON
    for batch in batches:
        run.submit(batch)
    run.may_fail.update((spoiled["id"], clip) for clip in clips)
    begun = time.monotonic()
    run.go()
    run.measured["seconds_until_all_was_decided"] = round(time.monotonic() - begun, 1)
    facts = run.facts()
    judge_hole(run, facts, hole, sick)
    judge_poison(run, facts, spoiled, clips, {sick})
    run.expect(run.hits[POISON] > 0, "poison killed engines")


SCENARIO = Scenario(8, "a worker that fails every task at once, and clips that kill every engine", run_it, short_tasks=48)

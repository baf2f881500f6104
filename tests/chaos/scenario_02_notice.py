"""A rented machine is told that it will go: SIGTERM to half of the workers at once, SIGKILL three seconds later. New machines come. Nothing is accepted after the notice,
what was queued comes back at once, what ran is finished or goes on elsewhere from its checkpoint."""
import signal
import time

import chaos_verdict
from chaos_run import Scenario
from farm import SLOW

STEPS, STEP_MS = 30, 100
NOTICE_S = 3
UNDER_WAY_MS = 1_000          # what the coordinator gave before it heard of the notice
HANDED_BACK_MS = 2_000
INTERVAL_STEPS = 30 * STEP_MS // 100  # checkpoints come at least every 3 s here, at most every 0.3 s
GRACE_MS = 1_000
BEGUN = 0.1                   # of a task: there is something to keep
SPARE_MS = 500                # what a task takes longer than the grace of its worker, so that it is not finished there
FAULT = "notice to a worker"


class Notices:
    """Half of the workers get a notice; when they are gone, others come; a while later again."""

    def __init__(self, run, step_ms):
        self.run, self.step_ms, self.told, self.dying = run, step_ms, [], {}
        self.next = time.monotonic() + 3
        self.rounds = 1 if run.short else 8

    def midway(self, up):
        """Those who would have to hand back what they render. A loaded machine takes its time to answer, and they go on meanwhile."""
        asked = time.monotonic()
        answer = self.run.farm.ask("worker", "list", timeout="2s") or {"workers": []}
        needed = (GRACE_MS + SPARE_MS + (time.monotonic() - asked) * 1_000) / self.step_ms
        return [w["name"] for w in answer["workers"] if w["name"] in up
                and any(a["phase"] == "rendering" and a["step"] >= BEGUN * a["steps"] and a["steps"] - a["step"] >= needed for a in w["running"])]

    def victims(self, up):
        """Half of them. One round alone could find all of them at the end of their tasks: it waits for one who is not."""
        draw, half = self.run.draw, len(up) // 2
        if not self.run.short:
            return draw.sample(up, half)
        midway = self.midway(up)
        if not midway:
            return []
        sure = draw.choice(midway)
        return [sure, *draw.sample([name for name in up if name != sure], half - 1)]

    def give(self):
        run, up = self.run, self.run.farm.up()
        if time.monotonic() < self.next or self.rounds == 0 or len(up) < run.count:
            return
        victims = self.victims(up)
        if not victims:
            return
        self.rounds -= 1
        self.next = time.monotonic() + run.draw.uniform(8, 14)
        for name in victims:
            run.tried[FAULT] += 1
            at_ms = time.time_ns() // 10**6
            run.farm.workers[name].send_signal(signal.SIGTERM)
            self.dying[name] = (run.farm.workers.pop(name), time.monotonic() + NOTICE_S, at_ms)

    def take(self):
        """The machine goes when its time is over, whether the worker left or not."""
        for name, (process, at, told_ms) in list(self.dying.items()):
            if time.monotonic() < at and process.poll() is None:
                continue
            del self.dying[name]
            self.run.farm.end(process)
            self.told.append((name, told_ms, time.time_ns() // 10**6))
            self.run.farm.due[name] = time.monotonic() + self.run.draw.uniform(0, 3)

    def tick(self):
        self.give()
        self.take()


def judge_notice(run, facts, name, at_ms, gone_ms):
    mine = facts.of_worker(name)
    late = [a for a in mine if at_ms + UNDER_WAY_MS * SLOW < a.begun_ms <= gone_ms]
    run.expect(not late, "a worker that was told to go is given nothing new", [(a.where, a.begun_ms - at_ms) for a in late])
    held = [a for a in mine if a.lived_at(at_ms)]
    run.hits[FAULT] += bool(held)
    for attempt in held:
        run.expect(attempt.end in ("done", "handed_back", "preempted", "lost", "superseded", "canceled"), "what a leaving worker held ends without blame", f"{attempt.where} {attempt.end}")
        if attempt.end == "handed_back" and attempt.computed == 0:
            run.expect(attempt.ended_ms - at_ms <= HANDED_BACK_MS * SLOW, "what was queued is handed back within 2 s", f"{attempt.ended_ms - at_ms} ms")
        if attempt.end in ("preempted", "handed_back"):
            run.expect(attempt.wasted <= 1, "what is handed back with a checkpoint repeats one step at most", f"{attempt.where}: {attempt.wasted} of {attempt.computed}")


def run_it(run):
    run.start("--grace", f"{GRACE_MS}ms")
    step_ms = STEP_MS * 3 // 2 if run.short else STEP_MS // 2
    run.load(steps=STEPS, step_ms=step_ms)
    notices = Notices(run, step_ms)
    run.go(notices.tick)
    run.go(notices.take, until=lambda: not notices.dying)
    facts = run.facts()
    for told in notices.told:
        judge_notice(run, facts, *told)
    run.expect(run.hits[FAULT] > 0, "faults hit")
    resumed = [a for a in facts.attempts if a.resumed > 0]
    run.measured.update(preempted=len(facts.ended("preempted")), handed_back=len(facts.ended("handed_back")), lost=len(facts.ended("lost")), resumed=len(resumed))
    run.expect(len(resumed) > 0, "some attempts went on from a checkpoint")
    lost = [a for a in facts.ended("lost") if a.wasted > INTERVAL_STEPS]
    run.expect(not lost, "a lost attempt costs the steps since its last checkpoint", [(a.where, a.computed, a.wasted) for a in lost])
    chaos_verdict.nobody_blamed(run, facts)


SCENARIO = Scenario(2, "a notice (SIGTERM, SIGKILL 3 s later) to half of the workers at once", run_it, short_tasks=20)

"""Workers are killed at random and come back after 0 to 12 s: what they held is found lost in time and rendered again, and nobody is blamed."""
import collections
import datetime
import time

import chaos_verdict
from chaos_run import Scenario
from farm import SLOW

STEPS, STEP_MS = 8, 60
FAULT = "SIGKILL of a worker"
SILENT_AND_GRACE_MS = 25_000      # five heartbeats of 2 s, then 15 s (lifecycle L2)
LATE_MS = 2_000
WAITS_MS = (0, 2_000, 10_000, 60_000)  # T7, each with jitter
JITTER = 1.5
CHANCE_LOSSES = 3
PACE_S = {True: (1, 3), False: (3, 7)}   # who is dead is given work until his silence is noticed: few of the eight may be dead at a time


def unlucky(facts):
    """Workers that hold what was lost as often as the farm puts down to chance (T5): at this pace, a death every five seconds among eight, some tasks of two thousand would come to more
    by chance alone, and would rightly be taken for what kills their workers."""
    losses = collections.Counter(a.where for a in facts.ended("lost"))
    return {a.worker for a in facts.ended("live") if losses[a.where] >= CHANCE_LOSSES}


class Reaper:
    """Every few seconds, one worker in ten (at least one) dies."""

    def __init__(self, run):
        self.run, self.kills = run, []
        self.next, self.left = time.monotonic() + 1, 6 if run.short else 1000

    def tick(self):
        run, up = self.run, self.run.farm.up()
        if time.monotonic() < self.next or self.left == 0 or len(up) < 2:
            return
        facts = run.facts()
        spared, busy = unlucky(facts), {a.worker for a in facts.ended("live")}
        up = [name for name in up if name not in spared and (name in busy or not run.short)]
        for name in run.draw.sample(up, min(len(up), max(1, len(up) // 10))):
            self.left -= 1
            after_s = run.draw.uniform(0, 3 if run.short else 12)
            run.tried[FAULT] += 1
            self.kills.append((name, time.time_ns() // 10**6))
            run.farm.strike(name, after_s)
        self.next = time.monotonic() + run.draw.uniform(*PACE_S[run.short])


def joins_of(run):
    """{worker: when it joined, in ms}."""
    joins = {}
    for event in chaos_verdict.events(run):
        if event["kind"] == "worker.joined":
            joins.setdefault(event["worker"], []).append(int(datetime.datetime.fromisoformat(event["at"]).timestamp() * 1000))
    return joins


def judge_kill(run, facts, joins, name, at_ms):
    """The attempts that a killed worker held ended `lost`, in time: at its return or after silence and grace. Those whose result was in its outbox are offered again when it is back."""
    back_ms = next((ms for ms in joins.get(name, ()) if ms >= at_ms), 1 << 62) - at_ms
    held = [a for a in facts.of_worker(name) if a.lived_at(at_ms)]
    run.hits[FAULT] += bool(held)
    for attempt in (a for a in held if a.end == "lost"):
        took_ms = attempt.ended_ms - at_ms
        run.expect(took_ms <= min(SILENT_AND_GRACE_MS, back_ms) + LATE_MS * SLOW, "what a killed worker held is lost within the rules of leases",
                   f"{name}: {took_ms} ms, back after {back_ms} ms")
        again = facts.after(attempt)
        run.expect(again is not None, "every lost attempt is followed by another one", str(attempt.where))


def waits_of(facts):
    """How long each task waited after a loss beyond what T7 tells it to, in ms."""
    waits = []
    for attempts in facts.by_task.values():
        losses = 0
        for one, next_one in zip(attempts, attempts[1:]):
            if one.end == "lost":
                waits.append(next_one.begun_ms - one.ended_ms - int(WAITS_MS[min(losses, 3)] * JITTER))
                losses += 1
    return waits


def run_it(run):
    run.start()
    run.attempts_max = 6
    run.load(steps=STEPS, step_ms=STEP_MS)
    reaper = Reaper(run)
    run.go(reaper.tick)
    facts, joins = run.facts(), joins_of(run)
    for kill in reaper.kills:
        judge_kill(run, facts, joins, *kill)
    lost = facts.ended("lost")
    waits = waits_of(facts)
    run.measured.update(attempts_lost=len(lost), longest_wait_for_another_attempt_ms=max(waits, default=0))
    run.expect(run.hits[FAULT] > 0, "faults hit")
    chaos_verdict.nobody_blamed(run, facts)
    run.expect(sum(a.wasted for a in lost) <= len(lost) * STEPS, "no more is wasted than the killed were rendering", f"{sum(a.wasted for a in lost)} steps of {len(lost)} attempts")


SCENARIO = Scenario(1, "SIGKILL of random workers, which come back after 0 to 12 s", run_it, short_tasks=60)

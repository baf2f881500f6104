"""Engines that stand still while their workers' hearts beat, workers that stand still as a whole, and one that is twenty times slower. Hangs are found by the limit of the
lease; a short stop costs nothing; the last task of the slow worker gets a copy elsewhere, and the first result counts."""
import os
import signal
import time

import chaos_load
import chaos_verdict
from chaos_run import Scenario
from farm import SLOW, children_of

STEPS, STEP_MS = 8, 80
SLOWER = 20
LIMIT_S = 15                 # of a lease whose steps are short (L1) ...
OPENING_S = 60               # ... and before anything is rendered: an engine that stood still already when it got its task
LATE_S = 6                   # until the coordinator hears of it
NEXT_MS = 5_000              # until a stopped engine gets its next task
NAP_S = 6                    # shorter than silence
ENGINE, WORKER, SLOW_TASK = "SIGSTOP of an engine", "SIGSTOP of a worker", "task of a slow worker"


def now_ms():
    return time.time_ns() // 10**6


class Stops:
    """Now and then an engine is stopped for good, and a worker for a while."""

    def __init__(self, run, names, engines, workers):
        self.run, self.names, self.left = run, names, {"engine": engines, "worker": workers}
        self.stopped_engines, self.naps, self.asleep = [], [], {}
        self.next = time.monotonic() + 1

    def stop_engine(self, name):
        engines = [pid for pid, program in children_of(self.run.farm.workers[name].pid).items() if program == "zoe-engine"]
        live = [a for a in self.run.facts().of_worker(name) if a.end == "live"]
        if not engines or not live:
            return
        os.kill(engines[0], signal.SIGSTOP)
        self.run.tried[ENGINE] += 1
        self.stopped_engines.append((name, engines[0], now_ms()))
        self.left["engine"] -= 1

    def stop_worker(self, name):
        self.run.tried[WORKER] += 1
        self.run.farm.workers[name].send_signal(signal.SIGSTOP)
        self.asleep[name] = time.monotonic() + NAP_S
        self.naps.append((name, now_ms(), now_ms() + NAP_S * 1000))
        self.left["worker"] -= 1

    def wake(self):
        for name, at in list(self.asleep.items()):
            if time.monotonic() >= at:
                del self.asleep[name]
                self.run.farm.workers[name].send_signal(signal.SIGCONT)

    def tick(self):
        self.wake()
        if time.monotonic() < self.next:
            return
        kinds = [kind for kind, count in self.left.items() if count > 0]
        free = [name for name in self.run.farm.up() if name in self.names and name not in self.asleep and name not in {n for n, _, at in self.stopped_engines if at > now_ms() - 25_000}]
        if kinds and free:
            getattr(self, f"stop_{self.run.draw.choice(kinds)}")(self.run.draw.choice(free))
        self.next = time.monotonic() + self.run.draw.uniform(1, 4 if self.run.short else 8)


def judge_engines(run, facts, stops):
    """An attempt whose engine was stopped, or the next one that it was to render, ends as hung, within the limit."""
    for name, _, at in stops.stopped_engines:
        struck = [a for a in facts.of_worker(name) if a.begun_ms <= at + NEXT_MS and a.ended_ms >= at and a.end in ("hung", "superseded")]
        hung = [a for a in struck if a.end == "hung"]
        run.hits[ENGINE] += bool(struck)
        for attempt in hung:
            # What waited behind the first may have been struck by a later stop.
            last = max(at for each, _, at in stops.stopped_engines if each == name and at <= attempt.ended_ms)
            took_s = (attempt.ended_ms - max(last, attempt.begun_ms)) / 1000
            limit_s = LIMIT_S if attempt.begun_ms < last - STEP_MS else OPENING_S
            run.measured["slowest_hang_found_s"] = max(run.measured.get("slowest_hang_found_s", 0), took_s)
            run.expect(took_s <= (limit_s + LATE_S) * SLOW, "a hang is found by the limit of the lease", f"{name}: {took_s} s")


def judge_naps(run, facts, stops):
    """A worker that stands still for less than silence and grace keeps what it holds."""
    for name, begun, end in stops.naps:
        held = [a for a in facts.of_worker(name) if a.lived_at(begun)]
        run.hits[WORKER] += bool(held)
        lost = [a for a in held if a.end in ("lost", "hung") and a.ended_ms <= end + 1000 and name not in {n for n, _, _ in stops.stopped_engines}]
        run.expect(not lost, "a short stop of a worker costs no attempt", [(a.where, a.end) for a in lost])


def play_tail(run):
    """When all the rest is done, a task for each worker: the slow one's would end long after the others."""
    tail = chaos_load.batch("tail", "ann", chaos_load.lines_of(run.draw, "tail", run.count, STEP_MS), ["--frames", "4"], STEPS, 1)
    run.submit(tail)
    begun = time.monotonic()
    run.go()
    took_s = time.monotonic() - begun
    alone_s = STEPS * STEP_MS * SLOWER / 1000
    run.measured.update(tail_s=round(took_s, 1), tail_of_the_slow_worker_alone_s=alone_s)
    return tail


def judge_slow(run, facts, slow, name, tail):
    own = [(a.where, a.end) for a in facts.of_worker(name) if a.batch == tail["id"] and a.end == "done"]
    run.measured["tail_done_by_the_slow_worker"] = len(own)
    run.expect(not own, "the tail of a slow worker is done elsewhere", own)
    copied = [a for a in facts.of_worker(name) if a.end == "superseded"]
    run.expect(copied, "another was first with a task of the slow worker", own)
    run.hits[SLOW_TASK] = run.tried[SLOW_TASK] = len({p["attempt"] for p in slow.played()})
    run.expect(run.hits[SLOW_TASK] > 0, "the slow worker rendered")
    run.measured["copies_that_were_first"] = len(copied)


def run_it(run):
    names = run.names()
    tail = names[0]
    run.attempts_max = 5
    run.start(names=names[1:])
    slow = run.farm.sick_worker(tail, "--threads", "1")
    run.load(steps=STEPS, step_ms=STEP_MS)
    slow.order("slow", factor=SLOWER)
    stops = Stops(run, names[1:], *((1, 1) if run.short else (10, 20)))
    begun = time.monotonic()
    run.go(stops.tick)
    run.measured["seconds_until_all_was_done"] = round(time.monotonic() - begun, 1)
    run.go(stops.wake, until=lambda: not stops.asleep)
    tail_batch = play_tail(run)
    facts = run.facts()
    judge_engines(run, facts, stops)
    judge_naps(run, facts, stops)
    judge_slow(run, facts, slow, tail, tail_batch)
    run.expect(run.hits[ENGINE] > 0 and run.hits[WORKER] > 0, "stops hit attempts", dict(run.hits))
    blamed = facts.ended("failed", "rejected")
    run.expect(not blamed, "nothing fails but what hangs", chaos_verdict.told_of(blamed))


SCENARIO = Scenario(9, "engines and workers that stand still, and one that is twenty times slower", run_it, short_tasks=48)

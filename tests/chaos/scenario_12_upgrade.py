"""A rolling upgrade under load, and back: coordinator, workers and clients of this build and of one that speaks the next protocol number, in every mixture. Meanwhile the workers'
wall clocks are an hour wrong, and the coordinator's is stepped. Nothing is lost, no lease ends by the wall clock, submissions are answered or cleanly sent again. In the end a
coordinator of each build works with workers of both for as long as it takes: what one could not do with the other would otherwise wait for the next replacement."""
import os
import signal
import struct
import time

import chaos_load
import chaos_verdict
from built import built
from chaos_farm import OWNERS
from chaos_run import CannotRun, Scenario
from farm import BIN

STEPS, STEP_MS = 6, 80
NEXT, CLOCKS = built("next/bin"), built("tests/libzoe_clock.so")
BUILDS = {"this": BIN, "next": NEXT}
HOUR_NS, STEP_NS = 3600 * 10**9, 30 * 10**9


def other_than(build):
    return "next" if build == "this" else "this"


class Clock:
    """The wall clock of one process."""

    def __init__(self, run, name, offset_ns=0):
        self.path = run.farm.folder / f"{name}.clock"
        self.offset_ns = offset_ns
        self.path.write_bytes(struct.pack("=q", offset_ns))

    def env(self):
        checks = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        return {"LD_PRELOAD": str(CLOCKS), "ZOE_CLOCK_FILE": str(self.path), **checks}

    def step(self, by_ns):
        """In place: running programs have it mapped."""
        self.offset_ns += by_ns
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=q", self.offset_ns))


class Upgrade:
    """Every few seconds something is replaced by the other build, or the coordinator's clock steps."""

    def __init__(self, run, clock, rounds):
        self.run, self.clock, self.left = run, clock, rounds
        self.coordinator, self.workers = "this", {name: "this" for name in run.names()}
        self.next = time.monotonic() + 2
        self.acts = [self.replace_coordinator, self.replace_worker, self.step_clock]
        self.turn = 0

    def tick(self):
        if self.left > 0 and time.monotonic() >= self.next:
            self.acts[self.turn % len(self.acts)]()
            self.turn += 1
            self.left -= 1
            self.next = time.monotonic() + self.run.draw.uniform(1.5, 3)

    def struck(self, what, hit):
        self.run.tried[what] += 1
        self.run.hits[what] += bool(hit)

    def running(self):
        return [a for a in self.run.facts().attempts if a.end == "live"]

    def replace_coordinator(self):
        farm, live = self.run.farm, self.running()
        other = other_than(self.coordinator)
        farm.kill_coordinator(signal.SIGTERM if self.run.draw.random() < 0.7 else signal.SIGKILL)
        self.begin_coordinator(other)
        self.struck(f"coordinator replaced: {other} build", live)

    def begin_coordinator(self, build):
        self.coordinator = build
        self.run.farm.programs["zoe-coordinator"] = BUILDS[build]
        begun = time.monotonic()
        self.run.farm.start_coordinator(env=self.clock.env())
        self.run.measured.setdefault("coordinator_up_after_s", []).append(round(time.monotonic() - begun, 1))

    def change_worker(self, name, build):
        farm = self.run.farm
        extra, options = farm.arguments[name]
        if name in farm.workers:
            farm.kill_worker(name, signal.SIGTERM)
        farm.worker(name, *extra, **{**options, "programs": BUILDS[build]})
        self.workers[name] = build

    def settle(self, build):
        """A coordinator of this build, and workers of both in turn."""
        if self.coordinator != build:
            self.run.farm.kill_coordinator(signal.SIGTERM)
            self.begin_coordinator(build)
        for number, name in enumerate(self.run.names()):
            wanted = tuple(BUILDS)[number % 2]
            if self.workers[name] != wanted:
                self.change_worker(name, wanted)

    def replace_worker(self):
        name = self.run.draw.choice(self.run.names())
        other = other_than(self.workers[name])
        held = [a for a in self.running() if a.worker == name]
        self.change_worker(name, other)
        self.struck(f"worker replaced: {other} build", held)

    def step_clock(self):
        by_ns = STEP_NS if self.run.draw.random() < 0.5 else -STEP_NS
        live = self.running()
        self.clock.step(by_ns)
        self.struck(f"coordinator's clock steps by {by_ns // 10**9} s", live)


class Submitter:
    """Submits in turns with the client of each build, with a key each, until it is answered."""

    def __init__(self, run, batches):
        self.run, self.waiting, self.next = run, list(batches), time.monotonic()
        self.tries, self.answered = 0, {"this": 0, "next": 0}

    def tick(self):
        if not self.waiting or time.monotonic() < self.next:
            return
        farm, batch = self.run.farm, self.waiting[0]
        build = ("this", "next")[self.tries % 2]
        self.tries += 1
        farm.programs["zoe"] = BUILDS[build]
        answer = farm.offer(batch, timeout="20s")
        farm.programs["zoe"] = BIN
        if answer is None:
            self.run.expect(batch["refused"][0] in (4, 124), "a submission is answered, or fails so that it can be sent again", batch["refused"])
            return
        self.answered[build] += 1
        self.run.accepted(self.waiting.pop(0), answer)
        self.next = time.monotonic() + self.run.draw.uniform(0.5, 2)


def play_mixtures(run, upgrade):
    for build in BUILDS:
        upgrade.settle(build)
        lines = chaos_load.lines_of(run.draw, f"mixture-{build}", run.count, STEP_MS)
        batch = run.submit(chaos_load.batch(f"mixture-{build}", OWNERS[0], lines, chaos_load.CHAIN, STEPS, chaos_load.CHAIN_TASKS))
        run.go()
        done = [a for a in run.facts().ended("done") if a.batch == batch["id"]]
        builds = {upgrade.workers[a.worker] for a in done}
        run.expect(builds == set(BUILDS), f"a coordinator of {build} build gets results of workers of both", sorted(builds))


def run_it(run):
    missing = [str(path) for path in (NEXT / "zoe-coordinator", CLOCKS) if not path.exists()]
    if missing:
        raise CannotRun(f"{', '.join(missing)} not built: build the targets zoe-next and zoe_clock")
    run.attempts_max = 8
    clock = Clock(run, "coordinator")
    run.start(names=[], coordinator={"env": clock.env()})
    for number, name in enumerate(run.names()):
        run.farm.worker(name, "--threads", "1", env=Clock(run, name, HOUR_NS if number % 2 else -HOUR_NS).env())
    upgrade, submitter = Upgrade(run, clock, 9 if run.short else 60), Submitter(run, chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS))
    run.go(upgrade.tick, submitter.tick, until=lambda: not submitter.waiting and run.over())
    play_mixtures(run, upgrade)
    chaos_verdict.judge_keys(run)
    facts = run.facts()
    lost = facts.ended("lost", "hung")
    run.expect(not lost, "no lease ends because of an upgrade or a wall clock", chaos_verdict.told_of(lost))
    chaos_verdict.nobody_blamed(run, facts)
    run.expect(all(submitter.answered.values()), "clients of both builds are served", submitter.answered)
    kinds = {fault.split(":")[0] for fault, count in run.hits.items() if count}
    run.expect({"coordinator replaced", "worker replaced"} <= kinds, "coordinator and workers were replaced while they had work", dict(run.hits))
    run.measured.update(submissions=len(run.batches), submissions_sent=submitter.tries, rounds_left=upgrade.left)


SCENARIO = Scenario(12, "a rolling upgrade to the next protocol number and back, with wrong clocks", run_it, short_tasks=60)

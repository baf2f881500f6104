"""The coordinator is killed at random moments and at chosen points of its work, and clients in the middle of submitting. What was acknowledged is there, a submission that
is sent again with its key makes one batch, workers keep what they render, and work goes on within five seconds."""
import time

import chaos_load
import chaos_verdict
from chaos_clients import Clients
from chaos_run import Scenario
from farm import SLOW

STEPS, STEP_MS = 8, 100
SUBMITTED = "submit.accepted"
POINTS = ("store.before_commit", "store.after_commit", SUBMITTED, "artifact.renamed", "publish.stitched", "publish.committed", "publish.renamed_sidecar",
          "publish.renamed_video", "publish.folder_synced", "publish.published")
RESUMES_MS = 5_000
KILL, KILL_CLIENT = "SIGKILL of the coordinator", "SIGKILL of a client in mid-submit"


class Killer:
    """Lets the coordinator die again and again: half of the times wherever it is, half of the times at a named point."""

    def __init__(self, run, times, clients):
        self.run, self.left, self.clients = run, times, clients
        self.ready_ms = []      # when it answered again
        self.point = None
        self.next = time.monotonic() + 1

    def arm(self):
        """Environment of the next life: where it ends, if at a point."""
        draw = self.run.draw
        self.point = draw.choice(POINTS) if self.left > 0 and draw.random() < 0.5 else None
        if self.point is None:
            return None
        if not self.clients.done() and draw.random() < 0.6:
            self.point = SUBMITTED
        count = draw.randint(20, 200) if self.point.startswith("store") else 1 if self.point == SUBMITTED else draw.randint(1, 6)
        return {"ZOE_FAULT_KILL": f"{self.point}:{count}"}

    def raise_again(self):
        self.run.farm.kill_coordinator()
        while self.run.farm.raise_coordinator(env=self.arm()) is None:
            self.count(f"{KILL} at {self.point}, in its start")
        self.ready_ms.append(time.time_ns() // 10**6)
        self.next = time.monotonic() + self.run.draw.uniform(1, 4)

    def count(self, what):
        self.left -= 1
        self.run.tried[what] += 1
        self.run.hits[what] += 1

    def tick(self):
        if self.run.farm.coordinator.poll() is not None:
            self.count(f"{KILL} at {self.point}")
            self.raise_again()
        elif self.left > 0 and time.monotonic() >= self.next + (4 if self.point else 0):
            self.count(KILL)
            self.raise_again()


class MortalClients(Clients):
    """Now and then one is killed in the middle."""

    timeout_s = 10

    def begin(self):
        super().begin()
        run = self.run
        if run.draw.random() < 0.6:
            run.tried[KILL_CLIENT] += 1
            time.sleep(run.draw.uniform(0, 0.03) * SLOW)
            run.hits[KILL_CLIENT] += self.process.poll() is None
            self.process.kill()

    def end(self):
        super().end()
        self.next = time.monotonic() + self.run.draw.uniform(0, 0.5 if self.run.short else 10)


def judge_resuming(run, facts, killer):
    """After each start something is leased within five seconds, unless nothing waited or the next death came first."""
    begun = sorted(a.begun_ms for a in facts.attempts)
    slowest = 0
    for ready, end in zip(killer.ready_ms, [*killer.ready_ms[1:], 1 << 62]):
        first = next((b for b in begun if b >= ready), None)
        if first is not None and first < end:
            slowest = max(slowest, first - ready)
    run.measured["slowest_first_lease_after_a_start_ms"] = slowest
    run.expect(slowest <= RESUMES_MS * SLOW, "work goes on within 5 s", f"{slowest} ms")


def run_it(run):
    times = 8 if run.short else 40
    run.start()
    run.attempts_max = 6
    batches = chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS)
    clients = MortalClients(run, batches)
    killer = Killer(run, times, clients)
    run.go(killer.tick, clients.tick, until=lambda: clients.done() and run.over())
    run.expect(killer.left <= times // 2, "the coordinator died at least half as often as it should", f"{killer.left} of {times} were left")
    if run.farm.coordinator.poll() is not None or killer.point:
        run.farm.kill_coordinator()
        run.farm.raise_coordinator()
    facts = run.facts()
    judge_resuming(run, facts, killer)
    chaos_verdict.judge_keys(run)
    lost = facts.ended("lost", "hung")
    run.measured["attempts_lost"] = len(lost)
    run.expect(not lost, "no running task is killed by a restart", chaos_verdict.told_of(lost))
    chaos_verdict.nobody_blamed(run, facts)


SCENARIO = Scenario(3, "SIGKILL of the coordinator at random moments and points, and of clients in mid-submit", run_it, short_tasks=60)

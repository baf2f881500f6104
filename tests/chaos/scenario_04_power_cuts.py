"""Power cuts. A farm is recorded while it is told to submit, cancel, remove and drain; then its folders, the coordinator's and the workers', are rebuilt as a cut at any point of
the recording would have left them, and a coordinator is started on each: the database is sound, what was acknowledged is there, what is published is whole. Some run on."""
import collections
import json
import os
import signal
import time

import chaos_jobs
import chaos_load
import power_cut
import power_log
from chaos_run import CannotRun, Scenario, merged

STEPS, STEP_MS = 8, 20
SYNC_US = 10_000          # a slow disk: what is not waited for shows
TASKS_A_CUT, CUTS_A_RUN_ON = 4, 50      # 500 cuts with 2,000 tasks; 10 of them run on
CUTS_SHORT, RUN_ON_SHORT = 12, 1
CUT = "power cut"


class Book:
    """What clients were told, and when (CLOCK_MONOTONIC, which the recording has too)."""

    def __init__(self):
        self.batches = []
        self.published = {}                                   # (batch, clip): when its event was read
        self.cancel_asked_ns, self.canceled_ns = {}, {}
        self.remove_asked_ns, self.removed_ns = {}, {}
        self.handed_back = set()                              # attempts that were checkpointed
        self.after = 0

    def told_ns(self):
        """When a client was told something that must hold."""
        return [batch["acked_ns"] for batch in self.batches] + [*self.canceled_ns.values(), *self.removed_ns.values(), *self.published.values()]

    def read_events(self, farm):
        answer = farm.ask("events", "--after", str(self.after))
        now = time.monotonic_ns()
        for event in answer["events"] if answer else ():
            self.after = max(self.after, event["sequence"])
            if event["kind"] == "clip.published":
                self.published.setdefault((event["batch"], event["clip"]), now)


class Play:
    """What happens to the farm while it is recorded."""

    def __init__(self, run, book, batches):
        self.run, self.book, self.waiting = run, book, list(batches)
        self.next = time.monotonic()
        self.cancel, self.remove = (next(b for b in batches if b["name"] == name) for name in ("canceled", "single1"))
        self.looked = 0.0
        self.drained = False

    def submit(self):
        batch = self.waiting.pop(0)
        batch["begun_ns"] = time.monotonic_ns()
        self.book.batches.append(batch)
        answer = self.run.farm.offer(batch)
        if answer is None:
            raise AssertionError(f"refused: {batch['refused']}")
        batch.update(id=answer["batch"], folder=answer["folder"], acked_ns=time.monotonic_ns())
        if batch in (self.cancel, self.remove):
            self.run.gone.add(batch["id"])
        else:
            self.run.batches.append(batch)

    def act(self, verb, batch, asked, answered):
        asked[batch["id"]] = time.monotonic_ns()
        self.run.farm.zoe("batch", verb, batch["id"], json_out=True)
        answered[batch["id"]] = time.monotonic_ns()

    def tick(self):
        now = time.monotonic()
        if self.waiting and now >= self.next:
            self.submit()
            self.next = now + self.run.draw.uniform(0, 0.3 if self.run.short else 3)
        if now < self.looked + 0.1:
            return
        self.looked = now
        self.book.read_events(self.run.farm)
        seen = {batch: sum(1 for b, _ in self.book.published if b == batch) for batch, _ in self.book.published}
        if self.cancel.get("id") in seen and not self.book.canceled_ns:
            self.act("cancel", self.cancel, self.book.cancel_asked_ns, self.book.canceled_ns)
        if seen.get(self.remove.get("id")) == len(self.remove["lines"]) and not self.book.removed_ns and self.ended(self.remove):
            self.act("remove", self.remove, self.book.remove_asked_ns, self.book.removed_ns)
        if not self.drained and len(self.book.published) >= 10:
            self.drained = True
            self.run.farm.strike(self.run.names()[0], 1, signal.SIGTERM)

    def ended(self, batch):
        return self.run.farm.batch(batch["id"])["state"] == "done"

    def over(self):
        return not self.waiting and self.book.removed_ns and self.run.over()


def record(run, log):
    book = Book()
    run.farm.env.update(power_cut.environment(run, log), ZOE_POWER_SYNC_US=os.environ.get("ZOE_CHAOS_SYNC_US", str(SYNC_US)))
    run.start()
    batches = chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS)
    lines = chaos_load.lines_of(run.draw, "canceled", 20, 5 * STEP_MS)
    batches.insert(2, chaos_load.batch("canceled", "cyd", lines, ["--frames", "4"], STEPS, 1))
    play = Play(run, book, batches)
    run.go(play.tick, until=play.over)
    book.read_events(run.farm)
    for name in ("LD_PRELOAD", "ZOE_POWER_LOG", "ZOE_POWER_ROOT", "ZOE_POWER_SYNC_US"):
        run.farm.env.pop(name)
    book.handed_back = {(a.batch, a.clip, a.task, a.fence) for a in run.facts().ended("handed_back", "preempted")}
    return book


class Judges:
    """The cuts, one after the other; several of these share them (chaos_jobs)."""

    def __init__(self, run, recording, book, places, to_the_end):
        self.run, self.recording, self.book = run, recording, book
        self.places, self.to_the_end = places, to_the_end
        self.tickets = chaos_jobs.Tickets(len(places))

    def judge(self, number, at, disk):
        cut = power_cut.Cut(self.run, self.recording, self.book, disk.forward(at), number)
        self.run.tried[f"{CUT}, {cut.mode}"] += 1
        self.run.hits[f"{CUT}, {cut.mode}"] += cut.unsynced > 0
        cut.judge(number in self.to_the_end)

    def share(self):
        """In a process of its own: what it found of its share."""
        disk = power_log.Disk(self.recording.records, self.recording.root)
        self.run.expectations, self.run.tried, self.run.hits = [], collections.Counter(), collections.Counter()
        for number in self.tickets:            # in the order of their places, as the disk goes on
            self.judge(number, self.places[number], disk)
        return merged(self.run.expectations), self.run.tried, self.run.hits, disk.faults["syncs"]

    def judge_all(self):
        """How many syncs there were."""
        syncs = 0
        for found in chaos_jobs.results(self.share):
            if self.run.expect(found is not None, "every cut is judged"):
                expectations, tried, hits, seen = found
                self.run.expectations += expectations
                self.run.tried.update(tried)
                self.run.hits.update(hits)
                syncs = max(syncs, seen)
        return syncs


def run_it(run):
    log = run.farm.folder.resolve() / "power.records"
    if not power_cut.SHIM.exists():
        raise CannotRun(f"the recorder {power_cut.SHIM} is not built")
    run.attempts_max = 6
    book = record(run, log)
    recording = power_cut.Recording(run, log)
    cuts = CUTS_SHORT if run.short else max(CUTS_SHORT, run.tasks // TASKS_A_CUT)
    on = max(RUN_ON_SHORT, cuts // CUTS_A_RUN_ON)
    places = recording.places(cuts, run.draw, book.told_ns())
    to_the_end = set(run.draw.sample(range(cuts), on))
    syncs = Judges(run, recording, book, places, to_the_end).judge_all()
    run.measured.update(records=len(recording.records), syncs=syncs, results_stored=len(recording.removals), clips_announced=len(book.published),
                        cuts_run_on=on)
    run.expect(book.canceled_ns and book.removed_ns, "the recording has a cancel and a removal", json.dumps([len(book.canceled_ns), len(book.removed_ns)]))
    run.expect(any(run.hits.values()), "faults hit")


SCENARIO = Scenario(4, "power cuts: what was not synced is gone, or torn", run_it, short_tasks=30)

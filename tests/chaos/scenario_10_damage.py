"""Results are damaged: by a worker before it offers them (a flipped bit, a truncated file, a wrong number of frames, black frames, another segment's frames), in the store
before they are stitched, and zoe-media is killed in the middle. Each damage is found before anything is published, and only what was damaged is rendered again. Black frames
count against nobody: they are rendered once more, on another worker if there is one, and who made them renders a canary when they are not black there (T9)."""
import os
import signal
import time

import chaos_verdict
from chaos_run import Scenario
from farm import children_of

STEPS, STEP_MS = 4, 40
TRICKS = ("flip", "truncate", "count", "short", "black", "swap")
FOUND_AS = {"flip": ("rejected",), "truncate": ("rejected", "failed"), "count": ("rejected", "failed"), "short": ("rejected",), "swap": ("rejected",), "black": ("suspect",)}
STORED, MEDIA = "stored segment damaged", "SIGKILL of zoe-media"


class Spoiler:
    """The engines of two workers get other orders every few seconds; two results of three are sound. A third such worker could fail a task for good (T4)."""

    def __init__(self, run, sick):
        self.run, self.sick, self.next = run, sick, time.monotonic()
        self.tricks = list(TRICKS)
        run.draw.shuffle(self.tricks)
        self.tricks.sort(key=lambda trick: trick != "black")  # whole clips come first, and only those can be black

    def tick(self):
        if time.monotonic() < self.next:
            return
        for one in self.sick:
            trick = self.tricks.pop(0)
            self.tricks.append(trick)
            one.order(trick, chance=0.33)
        self.next = time.monotonic() + (2 if self.run.short else 5)


class Vandal:
    """Stored segments of clips that are not published yet: a bit flips, the end is missing, the file is gone, two are swapped."""

    def __init__(self, run, times):
        self.run, self.left, self.done = run, times, set()
        self.next = time.monotonic() + 1

    def fresh(self):
        store = self.run.farm.state / "artifacts"
        found = [store / name[:2] / name for name in self.run.facts().segments if name not in self.done]
        return [path for path in found if path.exists()]

    def harm(self, path, other):
        kind = self.run.draw.choice(("flip", "truncate", "unlink", "swap"))
        data = path.read_bytes()
        if kind == "flip":
            at = self.run.draw.randrange(len(data))
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << self.run.draw.randrange(8)]) + data[at + 1:])
        elif kind == "truncate":
            os.truncate(path, self.run.draw.randrange(len(data)))
        elif kind == "unlink":
            path.unlink()
        else:
            path.write_bytes(other.read_bytes())

    def tick(self):
        if self.left == 0 or time.monotonic() < self.next:
            return
        files = self.fresh()
        if len(files) >= 2:
            path, other = self.run.draw.sample(files, 2)
            try:
                self.harm(path, other)
            except OSError:
                return  # published and gone in this moment
            self.left -= 1
            self.done.add(path.name)
            self.run.tried[STORED] += 1
        self.next = time.monotonic() + self.run.draw.uniform(0.5, 2)


class Assassin:
    """Kills media children of the coordinator in mid-stitch, each clip's once: two deaths on one clip would fail it for good."""

    def __init__(self, run, times):
        self.run, self.left, self.next, self.struck = run, times, time.monotonic(), set()

    def tick(self):
        if self.left == 0 or time.monotonic() < self.next:
            return
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            for pid, name in children_of(self.run.farm.coordinator.pid).items():
                output = self.stitched(pid) if name == "zoe-media" else None
                if output and output not in self.struck:
                    self.struck.add(output)
                    self.run.tried[MEDIA] += 1
                    os.kill(pid, signal.SIGKILL)
                    self.run.hits[MEDIA] += 1
                    self.left -= 1
                    self.next = time.monotonic() + self.run.draw.uniform(2, 5)
                    return

    @staticmethod
    def stitched(pid):
        """The file that the child is writing, if it stitches."""
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode().split("\0")
        except OSError:
            return None
        return next((word for word in words if "/renders/" in word), None) if "stitch" in words else None


def was_asked_twice(facts, attempt):
    """It was taken as the second opinion: the first one was odd too."""
    return attempt.end == "done" and any(a.end == "suspect" and a.fence < attempt.fence for a in facts.by_task[attempt.where])


def judge_second_looks(run, facts):
    """What was black is rendered once more, by another worker; if it is not black there, the first renders a canary."""
    looked = facts.ended("suspect")
    taken = [(first, next((a for a in facts.by_task[first.where] if a.fence > first.fence and a.end == "done"), None)) for first in looked]
    run.measured["rendered_once_more"] = len(looked)
    run.expect(all(second and second.worker != first.worker for first, second in taken), "what is black is rendered once more by another worker", chaos_verdict.told_of(looked))
    events = chaos_verdict.events(run)
    suspected = {(e["batch"], e["clip"]) for e in events if e["kind"] == "worker.suspected" and e.get("clip") is not None}
    out = {e["worker"] for e in events if e["kind"] == "worker.quarantined"}  # they render canaries anyway
    sound = {(first.batch, first.clip) for first, second in taken if second and second.worker not in run.sick and first.worker not in out}
    run.expect(sound <= suspected, "who made black what is not black elsewhere renders a canary", sound - suspected)


def judge_tricks(run, facts, sick, name):
    """Each damaged result of the sick worker was found, or (black) rendered again elsewhere; none was taken."""
    by_name = {f"{a.batch}.{a.clip}.{a.task}.{a.fence}": a for a in facts.attempts}
    for played in sick.played():
        attempt = by_name.get(played["attempt"])
        if attempt is None or attempt.worker != name:
            continue
        trick = played["trick"]
        run.tried[f"result: {trick}"] += 1
        found = attempt.end in FOUND_AS[trick] or (trick == "black" and was_asked_twice(facts, attempt))
        run.hits[f"result: {trick}"] += found
        run.expect(found or attempt.end in ("lost", "handed_back", "canceled", "superseded"), "each damaged result is found", f"{played['attempt']} {trick}: {attempt.end}")


def run_it(run):
    names = run.names()
    run.sick.update(names[:2])
    run.attempts_max = 8
    run.start(names=names[2:])
    sick = [run.farm.sick_worker(name, "--threads", "1") for name in names[:2]]
    run.load(steps=STEPS, step_ms=STEP_MS)
    spoiler, vandal, assassin = Spoiler(run, sick), Vandal(run, 3 if run.short else 40), Assassin(run, 2 if run.short else 30)
    run.go(spoiler.tick, vandal.tick, assassin.tick)
    facts = run.facts()
    for one, name in zip(sick, names):
        judge_tricks(run, facts, one, name)
    judge_second_looks(run, facts)
    reopened = sum(e["kind"] == "task.reopened" for e in chaos_verdict.events(run))
    run.hits[STORED] = min(reopened, run.tried[STORED])
    run.measured.update(tasks_reopened=reopened, rejected=len(facts.ended("rejected")))
    run.expect(any(count for fault, count in run.hits.items() if fault.startswith("result")), "damaged results were offered")
    suspect = [b["name"] for b in (run.farm.batch(b["id"]) for b in run.batches) if b["clips"]["suspect"]]
    run.expect(not suspect, "no black clip is published", suspect)
    blamed = [a for a in facts.ended("hung", "failed", "rejected") if a.worker not in run.sick]
    run.expect(not blamed, "no healthy worker is blamed", chaos_verdict.told_of(blamed))


SCENARIO = Scenario(10, "results are damaged before they are offered and in the store; zoe-media dies in mid-stitch", run_it, short_tasks=60, tools=("ffmpeg",))

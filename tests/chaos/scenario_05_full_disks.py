"""Disks fill up, one after the other, each a small one of its own: the database's, the artifacts', the published clips', a worker's. Submissions are refused with exit code
6 while there is no room, nothing is lost, and all goes on by itself within ten seconds once there is room again."""
import os
import subprocess
import time

import chaos_load
import chaos_verdict
from chaos_run import Scenario, folder_of
from farm import SLOW, eventually

STEPS, STEP_MS = 4, 300
STATE_MIB, WORKER_MIB = 96, 48
LOW_SHARE = 20          # D1: a disk is low below 5 %
REFUSED = 6
RESUMES_S = 10


class Disk:
    """A tmpfs over a folder, and ballast on it. The run has a mount namespace of its own, with which all of them vanish."""

    def __init__(self, run, folder, mib):
        self.folder, self.mib, self.ballast = folder_of(folder), mib, folder / "ballast"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", str(folder)], check=True)
        run.cleanups.callback(subprocess.run, ["umount", str(folder)])

    def free(self):
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize

    def fill(self, leave=0):
        """Writes ballast until no more than `leave` bytes are free. False when others were quicker and the disk is full already."""
        with open(self.ballast, "ab", buffering=0) as ballast:
            try:
                while self.free() > leave:
                    ballast.write(b"x" * max(1, min(1 << 20, self.free() - leave)))
            except OSError:
                pass

    def empty(self):
        self.ballast.unlink(missing_ok=True)


class Phase:
    """One disk: nearly full, full, free again, while its share of the batches is rendered."""

    def __init__(self, run, name, disk, refuses):
        self.run, self.name, self.disk, self.refuses = run, name, disk, refuses
        self.fault = f"full disk of {name}"

    def published(self):
        answer = self.run.farm.ask("status", timeout="2s")
        return answer["clips"]["published"] if answer else 0

    def status_says(self, *words):
        answer = self.run.farm.run("status", "--json", "--timeout", "2s").stdout
        return any(word in answer for word in words)

    def is_refused(self, batch):
        answer = self.run.farm.offer(batch, timeout="10s")
        code = 0 if answer else batch["refused"][0]
        self.run.expect(code == REFUSED, "while a disk is full, submissions are refused with exit code 6", f"{self.name}: {code} {batch.get('refused')}")

    def nearly(self, batch):
        """Between `low` and full: refused before any write fails."""
        self.disk.fill(leave=self.disk.mib * (1 << 20) // LOW_SHARE // 2)
        eventually(lambda: self.status_says('"disk_low": true'), 30, f"the farm sees that the disk of {self.name} is low")
        self.run.expect(self.status_says('"store_state": "ok"'), "a disk is found low before the database's writes fail", self.name)
        self.is_refused(batch)

    def play(self, first, second):
        run = self.run
        run.submit(first)
        run.go(until=lambda: run.farm.batch(first["id"])["running"], what=f"something is rendered when the disk of {self.name} fills up")
        run.tried[self.fault] += 1
        if self.refuses:
            self.nearly(second)
        self.disk.fill()
        if self.refuses:
            eventually(lambda: self.status_says('"store_state": "full"', '"disk_low": true'), 60, f"the farm sees that the disk of {self.name} is full")
            self.is_refused(second)
        run.pause(3 if run.short else 60, self.disk.fill)
        run.hits[self.fault] += self.disk.free() < self.disk.mib * (1 << 20) // LOW_SHARE
        self.resume(first, second)

    def resume(self, first, second):
        run, before, begun = self.run, self.published(), time.monotonic()
        self.disk.empty()
        self.freed_ms = time.time_ns() // 10**6
        unfinished = run.farm.ask("batch", "show", first["id"])["state"] not in ("done", "failed")
        if unfinished:
            run.go(until=lambda: self.published() > before, seconds=300, what=f"it goes on when the disk of {self.name} is free again")
            took = time.monotonic() - begun
            run.measured[f"goes_on_after_{self.name}_s"] = round(took, 1)
            run.expect(took <= RESUMES_S * SLOW, "it goes on within 10 s once a disk is free again", f"{self.name}: {took:.1f} s")
        accepted = eventually(lambda: run.farm.offer(second), 30, f"submissions are accepted when the disk of {self.name} is free again")
        run.accepted(second, accepted)


def prepare(run):
    """(name, disk, does a full one refuse submissions?)"""
    state = run.farm.state
    names = run.names()
    disks = [("the database", Disk(run, state, STATE_MIB), True), ("the artifacts", Disk(run, folder_of(state / "artifacts"), STATE_MIB), True),
             ("the published clips", Disk(run, folder_of(state / "renders"), STATE_MIB), True)]
    return [*disks, ("a worker", Disk(run, folder_of(run.farm.folder / "workers" / names[0]), WORKER_MIB), False)]


def renders_again(run, name, freed_ms):
    """Whether there is room a worker tells with its heartbeats, every 2 s: as many clips as there are workers, a few times."""
    again = []
    for number in range(5):
        again = [a for a in run.facts().of_worker(name) if a.begun_ms >= freed_ms and a.end == "done"]
        if again:
            break
        lines = chaos_load.lines_of(run.draw, f"again{number}", run.count, STEP_MS)
        run.submit(chaos_load.batch(f"again{number}", "ann", lines, ["--frames", "4"], STEPS, 1))
        run.go()
    run.expect(len(again) > 0, "a worker whose disk was full renders again", name)


def run_it(run):
    disks = prepare(run)
    run.start()
    batches = chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS)
    phases = [Phase(run, name, disk, refuses) for name, disk, refuses in disks]
    for number, phase in enumerate(phases):
        phase.play(*batches[2 * number:2 * number + 2])
    run.go()
    kinds = [e["kind"] for e in chaos_verdict.events(run)]
    run.expect(kinds.count("disk.low") >= 2 and kinds.count("disk.well") >= 2, "events tell of full and of freed disks", (kinds.count("disk.low"), kinds.count("disk.well")))
    renders_again(run, run.names()[0], phases[-1].freed_ms)
    facts = run.facts()
    run.expect(all(run.hits[fault] == 1 for fault in run.tried), "every disk was full", dict(run.hits))
    chaos_verdict.nobody_blamed(run, facts)


SCENARIO = Scenario(5, "small disks fill up, one after the other, and are freed", run_it, short_tasks=24, namespaces=("mount",), tools=("mount", "unshare"))

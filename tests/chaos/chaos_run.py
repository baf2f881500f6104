"""One run of one scenario: the farm, the clock, what was tried and what hit, and the report."""
import collections
import contextlib
import dataclasses
import pathlib
import random
import shutil
import subprocess
import sys
import time
import typing

import chaos_load
import chaos_verdict
from chaos_facts import Facts
from chaos_farm import OWNERS, ChaosFarm
from farm import BIN, SLOW, SOURCE

PATIENCE_S, PATIENCE_SHORT_S = 1800, 300   # the short one ends before the test suite loses patience: it can say what was wrong
TERMINAL = ("done", "failed", "canceled")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A row of the table of scenarios."""
    number: int
    what: str
    run: typing.Callable
    short_tasks: int = 60
    namespaces: tuple = ()   # of unshare: the run begins in these
    tools: tuple = ()        # programs it cannot do without


class CannotRun(Exception):
    """This machine lacks what the scenario needs."""


class Run:
    """What a scenario works with. Its random numbers come from `draw` alone."""

    def __init__(self, row, asked):
        self.row, self.seed, self.short, self.keep = row, asked.seed, asked.short, asked.keep
        self.tasks = asked.tasks or (row.short_tasks if asked.short else 2000)
        self.count = asked.workers or (4 if asked.short else 8)
        self.draw = random.Random(f"{row.number}:{asked.seed}")
        self.tried, self.hits, self.measured = collections.Counter(), collections.Counter(), {}
        self.expectations = []
        self.checker = "did not run"
        self.may_fail = set()     # (batch, clip) that are meant to fail
        self.gone = set()         # batches that were canceled or removed
        self.sick = set()         # workers that may end in quarantine
        self.attempts_max = 4     # of one task
        self.batches = []
        self.cleanups = contextlib.ExitStack()
        self.farm = None
        self.looked, self.is_over = 0.0, False
        self.patience_s = PATIENCE_SHORT_S if asked.short else PATIENCE_S

    # -- life --------------------------------------------------------------------------------------

    def play(self):
        try:
            return self.act()
        finally:
            if self.farm is not None and not self.keep:
                shutil.rmtree(self.farm.folder, ignore_errors=True)

    def act(self):
        begun = time.monotonic()
        with self.cleanups, ChaosFarm() as self.farm:
            self.farm.own = not self.keep
            try:
                self.row.run(self)
                chaos_verdict.common(self)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                self.expect(False, "the scenario came to its end", str(error))
            report = self.report(time.monotonic() - begun)
            self.farm.stop()
            chaos_verdict.logs(self, report)
            self.conclude(report)
            if report["verdict"] != "green":
                self.show_logs()
        if self.keep:
            print(f"zoe-chaos: {self.farm.folder}", file=sys.stderr)
        return report

    def show_logs(self):
        for path in sorted(self.farm.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            print(f"--- {path.name}", *lines, sep="\n", file=sys.stderr)

    def start(self, *extra, names=None, coordinator=None):
        """The coordinator and its workers, w1 to wN; an owner's key each."""
        self.farm.start_coordinator(**(coordinator or {}))
        for owner in OWNERS:
            self.farm.owner(owner)
        for name in self.names() if names is None else names:
            self.farm.worker(name, "--threads", "1", *extra)

    def names(self):
        return [f"w{number}" for number in range(1, self.count + 1)]

    def load(self, **shape):
        """Submits the scenario's batches and remembers them."""
        for batch in chaos_load.make(self.draw, self.tasks, **shape):
            self.submit(batch)

    def submit(self, batch):
        answer = self.farm.offer(batch)
        if answer is None:
            raise AssertionError(f"the batch {batch['name']} was refused: {batch['refused']}")
        self.accepted(batch, answer)
        return batch

    def accepted(self, batch, answer):
        """From here on the batch is one of those that are judged."""
        batch.update(id=answer["batch"], folder=answer["folder"])
        self.batches.append(batch)

    # -- time ----------------------------------------------------------------------------------------

    def over(self):
        """Are all batches terminal? Asked twice a second at most; while nobody answers they are not."""
        if not self.is_over and time.monotonic() - self.looked >= 0.5:
            answer = self.farm.ask("batch", "list", "--limit", "200", timeout="2s")
            self.looked = time.monotonic()
            self.is_over = bool(answer) and all(b["state"] in TERMINAL for b in answer["batches"])
        return self.is_over

    def go(self, *ticks, until=None, seconds=None, what="all batches are terminal"):
        """Lets the farm work, calling the ticks twenty times a second, until it is done (or `until` says so)."""
        self.is_over = False
        seconds = seconds or self.patience_s
        deadline = time.monotonic() + seconds * SLOW
        while not (until or self.over)():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}; {self.state()}")
            self.farm.keep_up()
            for tick in ticks:
                tick()
            time.sleep(0.05)

    def pause(self, seconds, *ticks):
        """The farm works for so long (not a wait for a result: a fault lasts as long as the scenario says)."""
        end = time.monotonic() + seconds
        self.go(*ticks, until=lambda: time.monotonic() >= end, seconds=seconds + 60)

    def state(self):
        answer = self.farm.ask("batch", "list", "--limit", "200", timeout="2s")
        return {b["name"]: (b["state"], b["clips"]) for b in answer["batches"] if b["state"] not in TERMINAL} if answer else "nobody answers"

    # -- what is found -------------------------------------------------------------------------------

    def expect(self, ok, what, detail=""):
        place = f"{self.farm.folder}/" if self.farm else ""    # paths are told as seen from the farm's folder
        self.expectations.append({"what": what, "ok": bool(ok), "detail": str(detail).replace(place, "") if place else str(detail)})
        return bool(ok)

    def facts(self):
        return Facts(self.farm.state / "farm.db")

    def report(self, seconds):
        shown = [self.farm.ask("batch", "show", b["id"]) for b in self.batches] if self.farm.coordinator and self.farm.coordinator.poll() is None else []
        shown = [s for s in shown if s]
        return {"schema": "zoe.chaos.v1", "scenario": self.row.number, "what": self.row.what, "seed": self.seed, "short": self.short, "workers": self.count,
                "batches": len(self.batches), "tasks": sum(b["tasks"] for b in self.batches), "clips": sum(len(b["lines"]) for b in self.batches),
                "clips_published": sum(s["clips"]["published"] for s in shown), "attempts": sum(s["attempts"] for s in shown),
                "steps_computed": sum(s["steps_computed"] for s in shown), "steps_wasted": sum(s["steps_wasted"] for s in shown),
                "faults": {name: {"tried": self.tried[name], "hit": self.hits[name]} for name in sorted({*self.tried, *self.hits})},
                "events": chaos_verdict.event_counts(self), "measured": self.measured, "seconds": round(seconds, 1), "commit": commit(), "slow": SLOW,
                "programs": str(BIN.relative_to(SOURCE)) if BIN.is_relative_to(SOURCE) else BIN.name}

    def conclude(self, report):
        report["checker"] = self.checker
        report["expectations"] = merged(self.expectations)
        report["verdict"] = "green" if all(e["ok"] for e in self.expectations) else "red"

    def text(self, report):
        lines = [f"Scenario {report['scenario']}, seed {report['seed']}: {report['what']}",
                 f"  {report['tasks']} tasks in {report['clips']} clips of {report['batches']} batches, {report['workers']} workers, {report['seconds']} s",
                 f"  {report['clips_published']} clips published, {report['attempts']} attempts, {report['steps_computed']} steps computed, {report['steps_wasted']} wasted"]
        lines += [f"  fault: {name}: {f['hit']} hit of {f['tried']} tried" for name, f in report["faults"].items()]
        lines += [f"  measured: {name}: {value}" for name, value in report["measured"].items()]
        lines += [f"  {'ok   ' if e['ok'] else 'WRONG'} {e['what']}" + (f" ({e['right']} of {e['of']})" if e["of"] > 1 else "") + ("" if e["ok"] else f": {e['detail']}")
                  for e in report["expectations"]]
        return "\n".join([*lines, f"  the checker: {report['checker']}", f"  {report['verdict']}"])


def merged(expectations):
    """The same sentence about several things (a check a kill) is one line of the report: the worst one, and how often it was right."""
    lines = {}
    for e in expectations:
        known = lines.setdefault(e["what"], {**e, "of": 0, "right": 0})
        known["of"] += e.get("of", 1)
        known["right"] += e.get("right", e["ok"])
        if known["ok"] and not e["ok"]:
            known.update(ok=False, detail=e["detail"])
    return list(lines.values())


def commit():
    done = subprocess.run(["git", "-C", str(SOURCE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def folder_of(path):
    """Makes a folder; the path."""
    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    return path

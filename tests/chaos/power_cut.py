"""One power cut: the folders rebuilt as they were found after it, and what must be true of them."""
import bisect
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import time

import chaos_verdict
import power_log
from built import built
from chaos_facts import Facts
from chaos_farm import ChaosFarm
from chaos_run import TERMINAL
from farm import SLOW, Failed

SHIM = built("tests/libzoe_power.so")
READY_S = 30
BATCH_ID = 10     # characters
OUTBOX_RECORD = re.compile(r"([0-9a-z]{10})\.(\d+)\.(\d+)\.(\d+)\.json")
UPLOAD = re.compile(r"([0-9a-z]{10})\.(\d+)\.(\d+)\.([0-9a-f]{16})\.[0-9a-f]+\.\d+")


class Recording:
    """What the programs did (from the shim) and what clients and workers were told meanwhile, on one clock."""

    def __init__(self, run, log):
        self.root = run.farm.folder.resolve()
        self.records = power_log.read(log)
        self.clients = {name: dict(env) for name, env in run.farm.owners.items()}
        self.removals, self.uploads = [], []     # (position, stamp, (batch, clip, task, fence))
        self.read_workers()

    def read_workers(self):
        """A worker forgets a result when it is told `Stored`; an upload begins after its Offer."""
        for at, r in enumerate(self.records):
            if r.kind == power_log.UNLINK and (found := OUTBOX_RECORD.fullmatch(r.name)):
                self.removals.append((at, r.stamp_ns, (found[1], *map(int, found.groups()[1:]))))
            elif r.kind == power_log.CREATE and (found := UPLOAD.fullmatch(r.name)):
                self.uploads.append((at, r.stamp_ns, (found[1], int(found[2]), int(found[3]), int(found[4], 16))))

    def places(self, count, draw, told_ns):
        """Where to cut: a third right after somebody was told something, a third beside a sync or a change of names, a third anywhere. Not before the first promise."""
        stamps = [r.stamp_ns for r in self.records]
        told = [min(bisect.bisect_right(stamps, ns), len(stamps) - 1) for ns in [*told_ns, *(ns for _, ns, _ in self.removals)]]
        first = min(told)
        sharp = [at for at, r in enumerate(self.records) if at > first and r.kind not in (power_log.WRITE, power_log.FOLDER)]
        kinds = (lambda: draw.choice(told), lambda: draw.choice(sharp) + draw.randint(0, 1), lambda: draw.randrange(first, len(stamps)))
        return sorted(kinds[n % 3]() for n in range(count))


class Cut:
    """Rebuilds at the disk's present place. `book` is the scenario's: what clients were told and when."""

    def __init__(self, run, recording, book, disk, number):
        self.run, self.recording, self.book, self.at = run, recording, book, disk.at
        self.draw = random.Random(f"{run.seed}:{number}:{disk.at}")
        self.mode = self.draw.choice(power_log.MODES[:2] * 3 + power_log.MODES[2:])
        self.stamp_ns = recording.records[disk.at].stamp_ns if disk.at < len(recording.records) else 1 << 63
        self.folder = run.farm.folder / f"cut-{number}"
        self.unsynced = disk.unsynced()
        disk.rebuild(self.folder, self.mode, self.draw, skip=lambda path: path.endswith(".db-shm"))
        self.state = self.folder / "coordinator"
        self.where = f"cut {number} before record {disk.at} ({self.mode})"
        self.batches, self.may_fail, self.gone, self.sick, self.attempts_max = [], set(), set(), set(), run.attempts_max
        self.farm, self.seed, self.short = None, run.seed, run.short

    def expect(self, ok, what, detail=""):
        return self.run.expect(ok, f"after a power cut: {what}", f"{self.where}: {detail}")

    def told(self, stamp_ns):
        """Was this known to somebody when the power went?"""
        return stamp_ns is not None and stamp_ns < self.stamp_ns

    # -- files ---------------------------------------------------------------------------------------

    def judge_database(self):
        """On a copy: opening it brings the log in."""
        copy = self.folder / "copy"
        copy.mkdir()
        for name in ("farm.db", "farm.db-wal", "farm.db-journal"):
            if (self.state / name).exists():
                shutil.copy2(self.state / name, copy / name)
        try:
            base = sqlite3.connect(copy / "farm.db")
            found = base.execute("PRAGMA integrity_check").fetchall()
            base.close()
        except sqlite3.Error as error:
            found = str(error)
        self.expect(found == [("ok",)], "integrity_check says ok", found)

    def judge_published(self):
        """Whatever stands under a final name is whole; what a client heard is published stands there."""
        found = {}
        for path in sorted((self.state / "renders").glob("*/**/*.mp4")):
            batch_folder = path.relative_to(self.state / "renders").parts[0]
            if path.name.startswith(".") or batch_folder.startswith(".") or self.told(self.book.remove_asked_ns.get(batch_folder[:BATCH_ID])):
                continue
            sidecar = path.with_suffix(".json")
            try:
                about = json.loads(sidecar.read_text())
                whole = hashlib.sha256(path.read_bytes()).hexdigest() == about["video"]["sha256"]
                found[about["batch"], about["clip"]] = path
            except (OSError, ValueError, KeyError) as error:
                whole = False
                self.expect(False, "nothing under a final name is incomplete", f"{sidecar}: {error}")
            self.expect(whole, "nothing under a final name is incomplete", path)
        for where, stamp_ns in self.book.published.items():
            if self.told(stamp_ns) and not self.told(self.book.remove_asked_ns.get(where[0])):
                self.expect(where in found, "what was announced as published is there", where)

    def judge_outbox(self):
        """W5: whose upload has begun is in the outbox, whole, until its removal."""
        removed = {name for at, _, name in self.recording.removals if at < self.at}
        for at, _, name in self.recording.uploads:
            if at >= self.at or name in removed or self.may_end(name[0]):
                continue
            texts = [p for p in (self.folder / "workers").glob("*/outbox/" + "{}.{}.{}.{}.json".format(*name))]
            if not texts:
                # A checkpoint is uploaded too, and stands elsewhere; it is of no result.
                self.expect(name in self.book.handed_back, "a result that is offered stands in the outbox", name)
                continue
            record = json.loads(texts[0].read_text())
            for output in record["outputs"]:
                path = texts[0].with_suffix("." + output["kind"])
                whole = path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == output["sha256"]
                self.expect(whole, "a result in the outbox is whole", path)

    def may_end(self, batch):
        return self.told(self.book.cancel_asked_ns.get(batch)) or self.told(self.book.remove_asked_ns.get(batch))

    # -- the coordinator that starts on it -----------------------------------------------------------

    def judge_promises(self):
        answer = self.farm.ask("batch", "list", "--limit", "200", timeout="20s")
        if not self.expect(answer is not None, "the coordinator answers"):
            return
        listed = {b["id"]: b for b in answer["batches"]}
        for batch in self.book.batches:
            removing, removed = (self.told(book.get(batch.get("id"))) for book in (self.book.remove_asked_ns, self.book.removed_ns))
            there = listed.get(batch.get("id"))
            if self.told(batch.get("acked_ns")) and not removing:
                self.expect(there and there["clips"]["total"] == len(batch["lines"]), "every acknowledged submission is there", batch["name"])
            if removed:
                self.expect(there is None, "what was removed stays removed", batch["name"])
                self.expect(self.gone_from_disk(batch), "what was removed leaves no files", batch["folder"])
            if there and self.told(self.book.canceled_ns.get(batch["id"])):
                self.expect(there["state"] == "canceled", "what was canceled stays canceled", f"{batch['name']}: {there['state']}")

    def gone_from_disk(self, batch):
        """Soon: a start goes on with a removal."""
        deadline = time.monotonic() + 20 * SLOW
        while (there := (self.state / "renders" / batch["folder"]).exists()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return not there

    def judge_results(self):
        facts = Facts(self.state / "farm.db")
        done = {a.where for a in facts.attempts if a.end == "done"}
        published = {(json.loads(p.read_text())["batch"], json.loads(p.read_text())["clip"]) for p in (self.state / "renders").glob("*/**/*.json")
                     if p.name != "batch.json" and not p.name.startswith(".")}
        for _, stamp_ns, (batch, clip, task, _) in self.recording.removals:
            if self.told(stamp_ns) and not self.may_end(batch):
                self.expect((batch, clip, task) in done or (batch, clip) in published, "every result that a worker was told is stored is there", (batch, clip, task))

    @contextlib.contextmanager
    def started(self):
        """The real coordinator on the rebuilt folder."""
        with ChaosFarm(folder=self.folder) as self.farm:
            begun = time.monotonic()
            up = self.farm.start_coordinator(expect_ready=False)
            log = "" if up else (self.folder / "coordinator.log").read_text(errors="replace")[-500:]
            self.expect(up is not None and time.monotonic() - begun < READY_S * SLOW, "the coordinator starts", log)
            yield up is not None
        self.farm = None

    def judge(self, to_the_end):
        """What is too broken to be looked at is wrong too."""
        try:
            self.judge_all(to_the_end)
        except (AssertionError, KeyError, OSError, ValueError, sqlite3.Error, subprocess.TimeoutExpired, Failed) as error:
            self.expect(False, "it can be judged", repr(error)[:500])
        shutil.rmtree(self.folder, ignore_errors=True)

    def judge_all(self, to_the_end):
        self.judge_database()
        self.judge_published()
        self.judge_outbox()
        with self.started() as up:
            if up:
                self.judge_promises()
                self.judge_results()
            if up and to_the_end:
                self.run_on()

    def go_on(self):
        """Clients that had no answer ask again with their key; workers come with what their own disks kept."""
        self.farm.owners = {name: dict(env) for name, env in self.recording.clients.items()}
        self.may_be_there = {batch for batch, asked_ns in self.book.remove_asked_ns.items() if self.told(asked_ns)}
        for batch in self.book.batches:
            if self.told(self.book.remove_asked_ns.get(batch.get("id"))):
                self.gone.add(batch["id"])
                self.farm.note(batch, {"batch": batch["id"], "folder": batch["folder"], "existed": True, "clips": len(batch["lines"])})
                continue
            if not self.told(batch["begun_ns"]):
                continue
            again = {name: batch[name] for name in ("name", "owner", "key", "flags", "lines", "tasks")}
            answer = self.farm.offer(again)
            if not self.expect(answer is not None, "a submission is answered", again.get("refused")):
                continue
            again.update(id=answer["batch"], folder=answer["folder"])
            if self.told(batch.get("acked_ns")):
                self.expect(answer["existed"] and answer["batch"] == batch["id"], "a submission that was acknowledged is one when sent again", answer)
            if self.told(self.book.cancel_asked_ns.get(batch.get("id"))):
                self.gone.add(again["id"])     # if its cancel was not answered, it may be canceled or not
            else:
                self.batches.append(again)

    def run_on(self):
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "acks.jsonl").unlink()
        self.go_on()
        for name in self.run.names():
            self.farm.worker(name, "--threads", "1")
        deadline = time.monotonic() + self.run.patience_s * SLOW
        while not self.over():
            if time.monotonic() > deadline:
                self.expect(False, "it runs on to the end", self.farm.ask("batch", "list"))
                return
            self.farm.keep_up()
            time.sleep(0.2)
        chaos_verdict.common(self)

    def over(self):
        answer = self.farm.ask("batch", "list", "--limit", "200")
        return answer and all(b["state"] in TERMINAL for b in answer["batches"])


def environment(run, log):
    """Of programs that are recorded; their sanitizers allow that something stands before them."""
    checks = {name: os.environ.get(name, "") + ":verify_asan_link_order=0" for name in ("ASAN_OPTIONS",)}
    return {"LD_PRELOAD": str(SHIM), "ZOE_POWER_LOG": str(log), "ZOE_POWER_ROOT": str(run.farm.folder.resolve()), **checks}

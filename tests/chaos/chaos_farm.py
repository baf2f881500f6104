"""The farm under faults: several owners, what they were told, workers that stand up again."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import time

from farm import BIN, SLOW, Farm

OWNERS = ("ann", "bob", "cyd")


class Sick:
    """Programs of a worker with a bad engine, its orders, and what it did."""

    def __init__(self, programs):
        self.programs = programs
        programs.mkdir(parents=True)
        shutil.copy2(BIN / "zoe-worker", programs)
        shutil.copy2(pathlib.Path(__file__).with_name("bad_engine.py"), programs / "zoe-engine")
        self.orders = programs / "orders.json"
        self.env = {"ZOE_CHAOS_ENGINE": str(BIN / "zoe-engine"), "ZOE_CHAOS_ORDERS": str(self.orders)}

    def order(self, trick, **how):
        fresh = self.orders.with_suffix(".new")
        fresh.write_text(json.dumps({"trick": trick, **how}))
        fresh.rename(self.orders)

    def played(self):
        """What it did: [{"trick", "attempt", "at_ms"}, ...]."""
        try:
            return [json.loads(line) for line in self.orders.with_suffix(".played").read_text().splitlines()]
        except FileNotFoundError:
            return []


class ChaosFarm(Farm):
    """acks.jsonl in the farm's folder is the clients' own log: a line for each submission that was answered with `Accepted`, written after the answer came. It is all that
    a checker may know of what was promised: batch, folder, owner, key, flags, lines as sent, existed."""

    def __init__(self, **options):
        super().__init__(**options)
        self.owners = {}
        self.arguments = {}
        self.due = {}
        self.acks = self.folder / "acks.jsonl"
        self.acknowledged = {}

    def print_logs(self):
        """Not to stdout, where the report goes."""
        with contextlib.redirect_stdout(sys.stderr):
            super().print_logs()

    # -- clients -----------------------------------------------------------------------------------

    def owner(self, name):
        """Environment of a command of this owner, whose key is made once."""
        if name not in self.owners:
            key = self.folder / f"{name}.key"
            public = self.zoe("key", "new", key, json_out=True)["public_key"]
            self.zoe("client", "allow", public, "--name", name)
            self.owners[name] = {"ZOE_CLIENT_KEY": str(key)}
        return self.owners[name]

    def offer(self, batch, timeout="60s"):
        """One try to submit; the answer, or None when none came. What was answered is noted."""
        text = "".join(json.dumps(line) + "\n" for line in batch["lines"])
        done = self.run("submit", "-", "--key", batch["key"], *batch["flags"], "--json", "--timeout", timeout, stdin=text, env=self.owner(batch["owner"]))
        if done.returncode != 0:
            batch["refused"] = (done.returncode, done.stderr.strip())
            return None
        answer = json.loads(done.stdout)
        self.note(batch, answer)
        return answer

    def note(self, batch, answer):
        self.acknowledged[answer["batch"]] = batch
        line = {"batch": answer["batch"], "folder": answer["folder"], "existed": answer["existed"], "clips": answer["clips"],
                **{name: batch[name] for name in ("owner", "key", "flags", "lines")}}
        with open(self.acks, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def ask(self, *arguments, timeout="10s"):
        """JSON answer of a question, or None while nobody answers."""
        done = self.run(*arguments, "--json", "--timeout", timeout)
        return json.loads(done.stdout) if done.returncode == 0 else None

    # -- workers that stand up again -----------------------------------------------------------------

    def worker(self, name, *extra, **options):
        """Starts a worker, the same way each time."""
        self.arguments[name] = (extra, options)
        self.due.pop(name, None)
        return self.start_worker(name, *extra, **options)

    def sick_worker(self, name, *extra):
        """A worker whose engine stands under orders (bad_engine.py); until the first order it is well."""
        sick = Sick(self.folder / "sick" / name)
        self.worker(name, *extra, programs=sick.programs, env=sick.env)
        return sick

    def strike(self, name, after_s, how=signal.SIGKILL):
        """Ends a worker; it stands up again after_s later (None: never)."""
        self.kill_worker(name, how)
        if after_s is not None:
            self.due[name] = time.monotonic() + after_s

    def keep_up(self):
        """Starts what is due. Who ended by itself (a child of the one before may hold the folder's lock for a moment) is started again too."""
        for name, process in list(self.workers.items()):
            if process.poll() is not None:
                self.workers.pop(name)
                self.due.setdefault(name, time.monotonic() + 0.2)
        for name, at in list(self.due.items()):
            if time.monotonic() >= at:
                extra, options = self.arguments[name]
                self.worker(name, *extra, **options)

    def up(self):
        return sorted(name for name, process in self.workers.items() if process.poll() is None)

    def raise_coordinator(self, env=None, seconds=20):
        """Starts the coordinator; seconds until it answered, None when it died at once (a fault may strike during the start)."""
        begun = time.monotonic()
        if self.start_coordinator(env=env, expect_ready=False) is None:
            self.coordinator.wait(30 * SLOW)
            return None
        return time.monotonic() - begun

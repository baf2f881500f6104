"""Clients of their own process, which submit while faults strike."""
import json
import subprocess
import time

from farm import BIN


class Clients:
    """Submit one batch after the other, each with its key until it is answered."""

    timeout_s = 60

    def __init__(self, run, batches):
        self.run, self.waiting, self.process = run, list(batches), None
        self.next, self.tries = time.monotonic(), 0

    def begin(self):
        farm, batch = self.run.farm, self.waiting[0]
        path = farm.folder / "submission.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in batch["lines"]))
        command = [str(BIN / "zoe"), "submit", str(path), "--key", batch["key"], *batch["flags"], "--json", "--timeout", f"{self.timeout_s}s"]
        self.process = subprocess.Popen(command, env={**farm.env, **farm.owner(batch["owner"])}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.run.cleanups.callback(farm.end, self.process)
        self.tries += 1

    def end(self):
        out, _ = self.process.communicate()
        if self.process.returncode == 0:
            batch, answer = self.waiting.pop(0), json.loads(out)
            self.run.farm.note(batch, answer)
            self.run.accepted(batch, answer)
        self.process = None

    def tick(self):
        if self.process is None and self.waiting and time.monotonic() >= self.next:
            self.begin()
        elif self.process is not None and self.process.poll() is not None:
            self.end()

    def done(self):
        return not self.waiting and self.process is None

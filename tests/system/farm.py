"""Harness of the system tests: real processes, real sockets, real files, own temporary folder.

A Farm owns one coordinator and any number of workers, all started by it and all ended by it, by process id. Nothing here sleeps for a result: `eventually`
polls a condition until its deadline.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BIN = pathlib.Path(os.environ["ZOE_BIN"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SLOW = float(os.environ.get("ZOE_TEST_SLOW", "1"))


def eventually(condition, seconds=60, what="condition", every=0.05):
    """Value of condition() once it is truthy; AssertionError after the deadline."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def children_of(pid):
    """Process ids of all living descendants of pid, with the names of their programs (zoe-engine starts itself once more as /proc/self/exe)."""
    found, parents = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
            name = pathlib.Path(os.readlink(entry / "exe")).name
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2:].split()[:2]
        if state != "Z":
            parents[int(entry.name)] = (int(parent), name)
    frontier = [pid]
    while frontier:
        here = frontier.pop()
        for child, (parent, name) in parents.items():
            if parent == here and child not in found:
                found[child] = name
                frontier.append(child)
    return found


class Failed(Exception):
    """A zoe command that ended with another exit code than expected."""


class Farm:
    """One coordinator, its workers, and the command line pointed at them."""

    def __init__(self, folder=None, models=None, env=None):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="zoe-test-"))
        self.models = models or [SOURCE / "models"]
        self.env = dict(os.environ, HOME=str(self.folder / "home"), **(env or {}))
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "ZOE_COORDINATOR", "ZOE_SERVER_KEY", "ZOE_CLIENT_KEY"):
            self.env.pop(name, None)
        (self.folder / "home").mkdir(exist_ok=True)
        self.programs = {"zoe": BIN, "zoe-coordinator": BIN}   # folders: some tests mix builds
        self.coordinator = None
        self.ready = None
        self.workers = {}
        self.logs = []

    # -- life --------------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None and self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif kind is not None:
            self.print_logs()

    def print_logs(self):
        for path in sorted(self.folder.glob("*.log")):
            print(f"--- {path.name}", path.read_text(errors="replace")[-4000:], sep="\n")

    def spawn(self, name, arguments, env=None, stdout=None):
        log = open(self.folder / f"{name}.log", "ab")
        self.logs.append(log)
        return subprocess.Popen([str(a) for a in arguments], env=dict(self.env, **(env or {})), stdout=stdout or log, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def state(self):
        return self.folder / "coordinator"

    def start_coordinator(self, env=None, expect_ready=True, extra=()):
        workers, clients = ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*") if not self.ready else (self.ready["workers"], self.ready["clients"])
        arguments = [self.programs["zoe-coordinator"] / "zoe-coordinator", "--state", self.state, "--listen-workers", workers, "--listen-clients", clients, "--json", *extra]
        for model in self.models:
            arguments += ["--models", model]
        self.coordinator = self.spawn("coordinator", arguments, env, subprocess.PIPE)
        line = self.coordinator.stdout.readline()
        if not line:
            if expect_ready:
                raise AssertionError("coordinator did not start: " + (self.folder / "coordinator.log").read_text(errors="replace")[-2000:])
            return None
        self.ready = json.loads(line)
        self.env.update(ZOE_COORDINATOR=self.ready["clients"], ZOE_SERVER_KEY=self.ready["public_key"], ZOE_CLIENT_KEY=str(self.state / "keys" / "admin.key"))
        return self.coordinator

    def worker_key(self, name):
        """Makes the worker's key (once) and allows it."""
        folder = self.folder / "workers" / name
        folder.mkdir(parents=True, exist_ok=True)
        key = folder / "worker.key"
        if not key.exists():
            public = self.zoe("key", "new", key, json_out=True)["public_key"]
            self.zoe("worker", "allow", public, "--name", name)
        return folder

    def start_worker(self, name, *extra, env=None, prefix=(), programs=BIN):
        folder = self.worker_key(name)
        arguments = [*prefix, programs / "zoe-worker", "--connect", self.ready["workers"], "--server-key", self.ready["public_key"], "--state", folder, *extra]
        for model in self.models:
            arguments += ["--models", model]
        self.workers[name] = self.spawn(f"worker-{name}", arguments, env)
        return self.workers[name]

    @contextlib.contextmanager
    def small_disk(self, folder, options):
        """A tmpfs at `folder` until the end, before which the farm stops. Needs root."""
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        try:
            yield
        finally:
            self.stop()
            subprocess.run(["umount", str(folder)], check=True)

    def start(self, workers=1):
        self.start_coordinator()
        for number in range(1, workers + 1):
            self.start_worker(f"w{number}")
        return self

    @staticmethod
    def end(process, how=signal.SIGKILL):
        if process and process.poll() is None:
            process.send_signal(how)
            process.wait(30 * SLOW)
        if process and process.stdout:
            process.stdout.close()

    def kill_coordinator(self, how=signal.SIGKILL):
        self.end(self.coordinator, how)

    def kill_worker(self, name, how=signal.SIGKILL):
        self.end(self.workers.pop(name), how)

    def stop(self):
        left = {}
        processes = [p for p in [*self.workers.values(), self.coordinator] if p]
        for process in processes:
            left.update(children_of(process.pid))
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            self.end(process)
        self.workers.clear()
        self.leftovers(left)
        for log in self.logs:
            log.close()

    @staticmethod
    def leftovers(pids):
        """Children must die with their parent."""
        def gone():
            return not any(os.path.exists(f"/proc/{pid}/exe") and "zoe" in name for pid, name in pids.items())
        eventually(gone, 15, f"children die with their parent: {pids}")

    # -- command line --------------------------------------------------------------------------------

    def run(self, *arguments, stdin=None, timeout=300, env=None):
        return subprocess.run([str(self.programs["zoe"] / "zoe"), *map(str, arguments)], env=dict(self.env, **(env or {})), input=stdin, capture_output=True, text=True, timeout=timeout * SLOW)

    def zoe(self, *arguments, stdin=None, code=0, json_out=False, timeout=300):
        """Runs zoe; its stdout (parsed when json_out) if it ends with `code`."""
        done = self.run(*arguments, *(["--json"] if json_out else []), stdin=stdin, timeout=timeout)
        if done.returncode != code:
            raise Failed(f"zoe {arguments} ended {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if json_out else done.stdout

    def submit(self, lines, *extra):
        text = lines if isinstance(lines, str) else "\n".join(lines) + "\n"
        return self.zoe("submit", "-", *extra, stdin=text, json_out=True)

    def batch(self, batch):
        return self.zoe("batch", "show", batch, json_out=True)

    def wait(self, batch, code=0, seconds=120):
        return self.zoe("batch", "wait", batch, "--timeout", f"{int(seconds * SLOW)}s", code=code, timeout=seconds + 30)

    def wait_published(self, batch, count, seconds=60):
        return eventually(lambda: self.batch(batch)["clips"]["published"] >= count, seconds, f"{count} clips published")

    def tree(self, folder):
        """{relative path: sha256} of a batch's published MP4s."""
        root = self.state / "renders" / folder
        return {str(p.relative_to(root)): sha256(p) for p in sorted(root.rglob("*.mp4"))}

    def started(self, batch):
        """When each published clip of a batch began to render: the times of its sidecars."""
        sidecars = (self.state / "renders").glob(f"{batch}*/*_s*.json")
        return [json.loads(p.read_text())["times"]["started"] for p in sidecars]

    def strays(self):
        """Temporary files and stored segments that outlived their use."""
        found = [p for p in (self.state / "renders").rglob("*") if p.name.startswith(".")]
        found += [p for p in (self.state / "artifacts").rglob("*") if p.is_file()]
        found += [p for w in (self.folder / "workers").glob("*/outbox") for p in w.rglob("*") if p.is_file()]
        return [str(p) for p in found]

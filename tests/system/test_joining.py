"""Machines and people that join with a token, owners that see their own only, quotas, revocation, the log of it all."""
import json
import os
import stat
import subprocess
import unittest

from farm import BIN, Farm, Failed, eventually, sha256
from test_inputs import START, png

FLAGS = ("--model", "pattern", "--frames", "4", "--steps", "2")


def token(farm, *arguments):
    return farm.zoe("token", "create", "-q", *arguments).strip()


def join_worker(farm, name, text, *extra, env=None, stdin=None):
    """A worker with nothing but a token."""
    arguments = [BIN / "zoe-worker", "--state", farm.folder / name, *extra]
    for model in farm.models:
        arguments += ["--models", model]
    farm.workers[name] = farm.spawn(f"worker-{name}", arguments, dict({"ZOE_JOIN": text} if text else {}, **(env or {})))
    return farm.workers[name]


def person(farm, name, role="submit"):
    """Joins as a client; the environment with which zoe is that person."""
    home = farm.folder / f"home-{name}"
    home.mkdir()
    env = {k: v for k, v in farm.env.items() if not k.startswith("ZOE_")}
    env["HOME"] = str(home)
    done = subprocess.run([BIN / "zoe", "client", "join", "-", "--name", name, "--json"], env=env, input=token(farm, "--role", role) + "\n", text=True, capture_output=True, timeout=60)
    if done.returncode:
        raise Failed(done.stdout + done.stderr)
    return env, json.loads(done.stdout)


def zoe(env, *arguments, stdin=None, code=0):
    done = subprocess.run([BIN / "zoe", *map(str, arguments), "--json"], env=env, input=stdin, text=True, capture_output=True, timeout=120)
    if done.returncode != code:
        raise Failed(f"{arguments} ended {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


def command_line(process):
    """What everybody on its machine can read."""
    with open(f"/proc/{process.pid}/cmdline", "rb") as words:
        return words.read()


def states(farm):
    return {w["name"]: w["state"] for w in farm.zoe("worker", "list", json_out=True)["workers"]}


class Workers(unittest.TestCase):
    def test_a_token_brings_one_worker_for_good(self):
        with Farm() as farm:
            farm.start_coordinator()
            text = token(farm, "--name", "gpu")
            worker = join_worker(farm, "first", text)
            eventually(lambda: states(farm).get("gpu-1") == "idle", what="the worker has joined")
            with open(f"/proc/{worker.pid}/environ", "rb") as environ:
                self.assertNotIn(text.encode(), environ.read())
            for file in ("worker.key", "coordinator.json"):
                self.assertEqual(stat.S_IMODE((farm.folder / "first" / file).stat().st_mode), 0o600)
            self.assertNotIn(text, "".join(p.read_text(errors="replace") for p in (farm.folder / "first").glob("*.json")))
            # A restart needs no token; the work gets done.
            farm.kill_worker("first")
            join_worker(farm, "first", None)
            batch = farm.submit(["a", "b"], *FLAGS)["batch"]
            farm.wait(batch)
            # The second use is refused, in words.
            second = join_worker(farm, "second", text)
            self.assertEqual(second.wait(60), 5)
            self.assertIn("ask for a new one", (farm.folder / "worker-second.log").read_text())
            self.assertEqual(set(states(farm)), {"gpu-1"})

    def test_a_token_on_the_command_line_is_wiped(self):
        with Farm() as farm:
            farm.start_coordinator()
            text = token(farm, "--name", "line")
            worker = join_worker(farm, "w", None, "--join", text)
            eventually(lambda: states(farm).get("line-1") == "idle", what="the worker has joined")
            self.assertIn(b"--join", command_line(worker))
            self.assertNotIn(text[:16].encode(), command_line(worker))
            # One that nobody answers is wiped, too, while it is tried.
            text = token(farm, "--endpoint", "tcp://127.0.0.1:9", "--role", "submit")
            env = {k: v for k, v in farm.env.items() if not k.startswith("ZOE_")} | {"HOME": str(farm.folder)}
            with subprocess.Popen([BIN / "zoe", "client", "join", text], env=env, stderr=subprocess.DEVNULL) as joining:
                try:
                    wiped = lambda line: b"client\0join" in line and text[:16].encode() not in line
                    eventually(lambda: wiped(command_line(joining)), seconds=5, what="the token is wiped")
                finally:
                    joining.kill()

    def test_tokens_are_listed_with_their_end(self):
        with Farm() as farm:
            farm.start_coordinator()
            token(farm, "--ttl", "23h")
            self.assertRegex(farm.zoe("token", "list"), r"(?s)STATE +ENDS .*in force +in 2[23] h +worker")
            listed = farm.zoe("token", "list", json_out=True)["tokens"]
            self.assertEqual([t["state"] for t in listed], ["in_force"])
            for name in ("8e03", "nosuch", "0123456789ab", "0123456789abcdef"):
                done = farm.run("token", "revoke", name)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertEqual(done.stderr, f"zoe: there is no token {name}; see `zoe token list`\n")
            for endpoint in ("tcp://farm", "tcp://h:99999", "tcp://127.0.0.1:*"):
                done = farm.run("token", "create", "--endpoint", endpoint)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("tcp://HOST:PORT", done.stderr)
            done = farm.run("token", "create", "--role", "submit", "--ephemeral")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--ephemeral is for workers", done.stderr)
            farm.zoe("token", "revoke", listed[0]["id"])
            self.assertEqual(farm.zoe("token", "list", json_out=True)["tokens"], [])
            where = ["tcp://farm.example:7000", "tcp://10.0.0.1:7000"]
            told = farm.zoe("token", "create", "--endpoint", where[0], "--endpoint", where[1], json_out=True)
            self.assertEqual(told["endpoints"], where)

    def test_a_token_from_a_file(self):
        with Farm() as farm:
            farm.start_coordinator()
            file = farm.folder / "token"
            file.write_text(token(farm, "--name", "file") + "\n")
            join_worker(farm, "w", None, env={"ZOE_JOIN_FILE": str(file)})
            eventually(lambda: states(farm).get("file-1") == "idle", what="the worker has joined")

    def test_a_revoked_worker_stops_at_once(self):
        with Farm() as farm:
            farm.start_coordinator()
            join_worker(farm, "bad", token(farm, "--name", "bad"))
            eventually(lambda: states(farm).get("bad-1") == "idle", what="the worker has joined")
            batch = farm.submit([json.dumps({"prompt": "slow", "pattern": {"step_ms": 200}, "seed": n}) for n in range(4)], "--model", "pattern", "--frames", "4", "--steps", "50")["batch"]
            eventually(lambda: farm.batch(batch)["running"], what="it renders")
            self.assertRegex(farm.zoe("events"), r"worker.joined +bad-1  ")
            person(farm, "ann")
            self.assertIn("no key ann of the role worker", farm.run("worker", "revoke", "ann").stderr)
            farm.zoe("worker", "revoke", "ann", code=3)
            self.assertIn("ann", [k["name"] for k in farm.zoe("key", "list", json_out=True)["keys"]])
            farm.zoe("worker", "revoke", "bad-1")
            self.assertEqual(states(farm)["bad-1"], "offline")
            self.assertEqual(farm.batch(batch)["running"], [])
            eventually(lambda: "not allowed" in (farm.folder / "worker-bad.log").read_text(), what="it is told so")
            self.assertEqual(farm.batch(batch)["running"], [])

    def test_an_ephemeral_key_goes_with_its_worker(self):
        with Farm() as farm:
            farm.start_coordinator()
            worker = join_worker(farm, "spot", token(farm, "--name", "spot", "--ephemeral"))
            eventually(lambda: states(farm).get("spot-1") == "idle", what="the worker has joined")
            worker.terminate()
            worker.wait(60)
            keys = lambda: [k["name"] for k in farm.zoe("key", "list", json_out=True)["keys"]]
            eventually(lambda: "spot-1" not in keys(), what="its key is forgotten")


class People(unittest.TestCase):
    def test_owners_see_their_own(self):
        with Farm().start(workers=1) as farm:
            ann, joined = person(farm, "ann")
            ben, _ = person(farm, "ben")
            op, _ = person(farm, "op", "operate")
            self.assertEqual((joined["name"], joined["role"]), ("ann", "submit"))
            batch = zoe(ann, "submit", "-", *FLAGS, stdin="one\ntwo\n")["batch"]
            zoe(ann, "batch", "wait", batch, "--timeout", "120s")
            self.assertEqual([b["id"] for b in zoe(ann, "batch", "list")["batches"]], [batch])
            # To another it does not exist, in the very words of one that never did.
            self.assertEqual(zoe(ben, "batch", "list")["batches"], [])
            for what in (("batch", "show"), ("batch", "cancel"), ("batch", "fetch"), ("explain",), ("events", "--batch")):
                more = (farm.folder / "got",) if what[-1] == "fetch" else ()
                theirs = zoe(ben, *what, batch, *more, code=3)["message"]
                nobodys = zoe(ben, *what, "zzzzzzzzzz", *more, code=3)["message"]
                self.assertEqual(theirs.replace(batch, "ID"), nobodys.replace("zzzzzzzzzz", "ID"), what)
            zoe(ben, "batch", "show", "last", code=3)
            kinds = zoe(ann, "events")
            self.assertIn(batch, str(kinds))
            self.assertNotIn(batch, str(zoe(ben, "events")))
            self.assertIn(batch, str(zoe(op, "events")))
            zoe(op, "batch", "remove", batch)
            self.assertEqual(zoe(ann, "batch", "list")["batches"], [])
            zoe(ben, "key", "list", code=5)
            zoe(op, "token", "create", code=5)
            log = farm.zoe("audit", json_out=True)["entries"]
            told = [(e["by"], e["action"], e["allowed"]) for e in log]
            for entry in (("op", "batch.remove", True), ("ben", "batch.cancel", False), ("ben", "keys_wanted", False), ("op", "token.create", False), ("ann", "key.join", True), ("admin", "token.create", True)):
                self.assertIn(entry, told)
            self.assertEqual([e["subject"] for e in log if e["action"] == "batch.remove"], [batch])
            for action in ("batch_wanted", "explain_wanted", "events_wanted", "batch.cancel"):
                self.assertEqual({e["subject"] for e in log if e["action"] == action and not e["allowed"]}, {batch}, action)
            self.assertEqual(farm.zoe("audit", "--last", "3", json_out=True)["entries"], log[-3:])
            self.assertFalse(farm.zoe("audit", "--last", "3", json_out=True)["truncated"])
            self.assertEqual(farm.zoe("audit", "--last", "200", json_out=True)["entries"], log)
            self.assertEqual(farm.zoe("audit", "--last", "9", "--after", log[-2]["sequence"], json_out=True)["entries"], log[-1:])
            farm.zoe("audit", "--last", "9", "--limit", "9", code=2)

    def test_what_changes_nothing_is_not_in_the_log(self):
        with Farm().start(workers=1) as farm:
            count = lambda: len(farm.zoe("audit", json_out=True)["entries"])
            shown = lambda: farm.zoe("worker", "show", "w1", json_out=True)
            eventually(lambda: states(farm).get("w1") == "idle", what="the worker is there")
            for reason in ("its fan is loud", "it smells of smoke"):
                farm.zoe("worker", "quarantine", "w1", "--reason", reason)
                self.assertEqual((shown()["reason"], shown()["by"]), (reason, "admin"))
                self.assertIn(reason, str(farm.zoe("audit", json_out=True)["entries"][-1]))
            self.assertIn(" 0 busy, 0 idle, 1 quarantined; 1 slot\n", farm.zoe("status"))
            self.assertEqual(farm.zoe("status", json_out=True)["workers_quarantined"], 1)
            self.assertIn("by admin: it smells of smoke", farm.zoe("worker", "show", "w1"))
            before = count()
            farm.zoe("worker", "quarantine", "w1", "--reason", "it smells of smoke")
            key = [k for k in farm.zoe("key", "list", json_out=True)["keys"] if k["name"] == "w1"][0]["key"]
            farm.zoe("worker", "allow", key, "--name", "w1")
            self.assertEqual(count(), before)
            farm.zoe("worker", "readmit", "w1")
            eventually(lambda: states(farm)["w1"] == "idle", what="its canary was right")
            done = farm.run("worker", "readmit", "w1")
            self.assertEqual(done.returncode, 7)
            self.assertIn("worker w1 is not in quarantine: it is idle", done.stderr)
            self.assertEqual(count(), before + 1)
            farm.zoe("owner", "set", "ann", "--share", "2")
            farm.zoe("owner", "set", "ann", "--share", "2")
            self.assertEqual(count(), before + 2)

    def test_quotas(self):
        with Farm() as farm:
            farm.start_coordinator()
            ann, _ = person(farm, "ann")
            farm.zoe("owner", "set", "ann", "--max-batches", "2", "--max-tasks", "5")
            zoe(ann, "submit", "-", *FLAGS, "--key", "k1", stdin="1\n2\n3\n")
            said = zoe(ann, "submit", "-", *FLAGS, stdin="1\n2\n3\n", code=6)["message"]
            self.assertIn("3 unfinished tasks, 5 are allowed", said)
            zoe(ann, "submit", "-", *FLAGS, stdin="1\n2\n")
            said = zoe(ann, "submit", "-", *FLAGS, stdin="1\n", code=6)["message"]
            self.assertIn("2 unfinished batches, 2 are allowed", said)
            self.assertTrue(zoe(ann, "submit", "-", *FLAGS, "--key", "k1", stdin="1\n2\n3\n")["existed"])  # nothing new
            row = farm.zoe("owner", "list", "ann", json_out=True)["owners"][0]
            self.assertEqual((row["batches"], row["tasks"], row["bytes"]), (2, 5, 0))
            zoe(ann, "batch", "cancel", "last")
            zoe(ann, "submit", "-", *FLAGS, stdin="9\n")
            farm.submit(["as many as it likes"] * 9, *FLAGS)  # of another owner

    def test_a_retry_counts_in_a_quota(self):
        with Farm().start() as farm:
            ann, _ = person(farm, "ann")
            bad = json.dumps({"prompt": "bad", "pattern": {"fail_step": 1}}) + "\n"
            failed = zoe(ann, "submit", "-", *FLAGS, stdin=bad * 3)["batch"]
            farm.wait(failed, code=1)
            farm.kill_worker("w1")
            farm.zoe("owner", "set", "ann", "--max-batches", "1")
            other = zoe(ann, "submit", "-", *FLAGS, stdin="1\n")["batch"]
            self.assertIn("1 unfinished batches, 1 are allowed", zoe(ann, "batch", "retry", failed, code=6)["message"])
            zoe(ann, "batch", "cancel", other)
            farm.zoe("owner", "set", "ann", "--max-tasks", "2")
            self.assertIn("3 more are too many", zoe(ann, "batch", "retry", failed, code=6)["message"])
            farm.zoe("batch", "retry", failed)  # who steers the farm may
            self.assertIn(farm.batch(failed)["state"], ("queued", "running"))

    def test_published_bytes_count_while_they_are_here(self):
        with Farm().start(workers=1) as farm:
            ann, _ = person(farm, "ann")
            batch = zoe(ann, "submit", "-", *FLAGS, stdin="1\n2\n")["batch"]
            zoe(ann, "batch", "wait", batch, "--timeout", "120s")
            sizes = sum(p.stat().st_size for p in (farm.state / "renders").glob(f"{batch}*/*.mp4"))
            used = lambda: farm.zoe("owner", "list", "ann", json_out=True)["owners"][0]["bytes"]
            self.assertEqual(used(), sizes)
            farm.zoe("owner", "set", "ann", "--max-bytes", str(sizes))
            self.assertIn("of published videos and files to start from here", zoe(ann, "submit", "-", *FLAGS, stdin="3\n", code=6)["message"])
            farm.kill_coordinator()
            farm.start_coordinator()
            self.assertEqual(used(), sizes)
            zoe(ann, "batch", "remove", batch)
            self.assertEqual(used(), 0)
            zoe(ann, "submit", "-", *FLAGS, stdin="3\n")


    def test_only_an_operator_puts_somebody_first(self):
        with Farm().start(workers=0) as farm:
            ann, _ = person(farm, "ann")
            submit = lambda priority, code=0: zoe(ann, "submit", "-", "--priority", priority, *FLAGS, stdin="1\n", code=code)
            self.assertIn("an operator gives it", submit(1, code=6)["message"])
            batch = submit(-2)["batch"]
            change = lambda priority, code=0: zoe(ann, "batch", "priority", batch, priority, code=code)
            self.assertEqual(change(0)["priority"], 0)
            change(1, code=6)
            farm.zoe("batch", "priority", batch, "7")
            self.assertEqual(change(3)["priority"], 3)
            self.assertIn("an operator gives it", change(4, code=6)["message"])

    def test_files_to_start_from_count_in_the_bytes_of_their_owner(self):
        with Farm().start(workers=0) as farm:
            ann, _ = person(farm, "ann")
            small, large = (png(farm.folder / f"{n}.png", 64, 64, noise=n) for n in (20_000, 40_000))
            submit = lambda image, code=0, again=False: zoe(ann, "submit", "-", "--init-image", image, *START, *(["--again"] if again else []), stdin="1\n", code=code)
            used = lambda: farm.zoe("owner", "list", "ann", json_out=True)["owners"][0]["bytes"]
            farm.zoe("owner", "set", "ann", "--max-bytes", "50000")
            batch = submit(small)["batch"]
            self.assertEqual(used(), small.stat().st_size)
            self.assertIn("files to start from", submit(large, code=6)["message"])
            self.assertEqual(used(), small.stat().st_size)
            next((farm.state / "artifacts").rglob(sha256(small))).unlink()  # it was lost: counted already
            farm.zoe("owner", "set", "ann", "--max-bytes", str(small.stat().st_size))
            self.assertIn("files to start from", submit(small, code=6, again=True)["message"])  # a batch more is refused, ...
            self.assertEqual(len(list((farm.state / "artifacts").rglob(sha256(small)))), 1)  # ... the file came
            farm.zoe("owner", "set", "ann", "--max-bytes", "50000")
            zoe(ann, "batch", "cancel", batch)
            zoe(ann, "batch", "remove", batch)
            self.assertEqual(used(), 0)
            submit(large)


class Files(unittest.TestCase):
    def test_symlinks_in_the_published_tree_lead_nowhere(self):
        with Farm().start(workers=1) as farm:
            secret = farm.folder / "secret"
            secret.mkdir()
            (secret / "evil.mp4").write_text("secret")
            accepted = farm.submit(["one"], *FLAGS)
            farm.wait(accepted["batch"])
            folder = next((farm.state / "renders").glob(f"{accepted['batch']}*"))
            video = next(folder.glob("*.mp4"))
            content = video.read_bytes()
            video.unlink()
            os.symlink(secret / "evil.mp4", video)
            got = farm.folder / "got"
            farm.run("batch", "fetch", accepted["batch"], got)
            self.assertNotIn("secret", "".join(p.read_text(errors="replace") for p in got.rglob("*.mp4")))
            video.unlink()
            video.write_bytes(content)
            # What stands where a video is to be written is not written through.
            planted = farm.folder / "planted" / folder.name
            planted.mkdir(parents=True)
            os.symlink(secret / "evil.mp4", planted / (video.name + ".part"))
            farm.run("batch", "fetch", accepted["batch"], planted.parent)
            self.assertEqual((secret / "evil.mp4").read_bytes(), b"secret")
            # A folder of the tree that leads elsewhere.
            moved = farm.folder / "elsewhere"
            folder.rename(moved)
            os.symlink(moved, folder)
            self.assertNotEqual(farm.run("batch", "fetch", accepted["batch"], farm.folder / "none").returncode, 0)
            folder.unlink()
            moved.rename(folder)
            farm.zoe("batch", "fetch", accepted["batch"], got)


if __name__ == "__main__":
    unittest.main()

"""Pass rule C: the checker is green, nobody had to help, every batch is terminal, no task needed more attempts than it may, no healthy worker is in quarantine."""
import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys

from chaos_facts import BLAMED
from farm import SLOW, SOURCE, eventually

CHECKER = SOURCE / "tests" / "checker" / "check.py"
LINES_OF_A_LOG, LINES_OF_A_TASK = 2000, 10
BROKEN = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|assertion .* failed|Assertion `", re.IGNORECASE)


def events(run):
    answer = run.farm.ask("events", "--after", "0", timeout="60s")
    return answer["events"] if answer else []


def event_counts(run):
    alive = run.farm.coordinator and run.farm.coordinator.poll() is None
    return dict(sorted(collections.Counter(e["kind"] for e in events(run)).items())) if alive else {}


def sidecars(run, batch):
    root = run.farm.state / "renders" / batch["folder"]
    return [(path, json.loads(path.read_text())) for path in sorted(root.rglob("*.json")) if path.name != "batch.json"]


def attempts_of(sidecar):
    """Of each task of a clip."""
    segments = sidecar.get("segments")
    return [s["attempts"] for s in segments] if segments else [sidecar["attempts"]]


# -- what each batch came to -----------------------------------------------------------------------


def judge_batch(run, batch):
    shown = run.farm.batch(batch["id"])
    failing = {clip for name, clip in run.may_fail if name == batch["id"]}
    counts = shown["clips"]
    run.expect(shown["state"] == ("failed" if failing else "done"), "every batch is terminal, as it should be", f"{batch['name']}: {shown['state']}")
    run.expect((counts["published"], counts["failed"]) == (len(batch["lines"]) - len(failing), len(failing)), "every clip is published, but those that are meant to fail",
               f"{batch['name']}: {counts}")


def judge_tree(run, batch):
    """Each clip exactly once, whole, with its sidecar; nothing else."""
    failing = {clip for name, clip in run.may_fail if name == batch["id"]}
    root = run.farm.state / "renders" / batch["folder"]
    found = collections.Counter()
    for path, sidecar in sidecars(run, batch):
        video = path.with_suffix(".mp4")
        whole = video.exists() and hashlib.sha256(video.read_bytes()).hexdigest() == sidecar["video"]["sha256"]
        run.expect(whole, "every published file has the digest that its sidecar tells", str(path))
        line = batch["lines"][sidecar["clip"]]
        run.expect((sidecar["recipe"]["prompt"], sidecar["recipe"]["seed"]) == (line["prompt"], line["seed"]), "every sidecar tells of the prompt and seed that were sent", str(path))
        run.expect(max(attempts_of(sidecar)) <= run.attempts_max, f"no task needed more than {run.attempts_max} attempts", f"{path.name}: {attempts_of(sidecar)}")
        found[sidecar["clip"]] += 1
    wanted = collections.Counter({n: 1 for n in range(len(batch["lines"])) if n not in failing})
    run.expect(found == wanted, "each clip is published exactly once", f"{batch['name']}: {found - wanted} {wanted - found}")
    run.expect(len(list(root.rglob("*.mp4"))) == len(wanted), "there is no video without a sidecar", batch["name"])


def strays(run):
    """Temporary files, and results that outlived their use."""
    found = [p for p in (run.farm.state / "renders").rglob("*") if p.name.startswith(".")]
    found += [p for p in (run.farm.state / "artifacts" / "tmp").rglob("*") if p.is_file()]
    found += [p for w in (run.farm.folder / "workers").glob("*/outbox") for p in w.rglob("*") if p.is_file()]
    return [str(p.relative_to(run.farm.folder)) for p in found]


def is_tidy(run):
    """Who was struck near the end stands up again first: what is in its outbox is its own to remove."""
    run.farm.keep_up()
    return not strays(run)


def judge_tidiness(run):
    try:
        eventually(lambda: is_tidy(run), 30, "nothing temporary is left")
    except AssertionError:
        pass
    left = strays(run)
    run.expect(not left, "nothing temporary is left", left[:5])


def judge_workers(run):
    for worker in run.farm.zoe("worker", "list", json_out=True)["workers"]:
        if worker["name"] not in run.sick:
            run.expect(worker["state"] != "quarantined", "no healthy worker is in quarantine", f"{worker['name']}: {worker['reason']}")
    for event in events(run):
        if event["kind"] == "worker.quarantined":
            run.expect(event["worker"] in run.sick, "no healthy worker ever was in quarantine", f"{event['worker']}: {event['message']}")


def judge_checker(run):
    """The checker that shares nothing with the farm: clients' log, published tree, sidecars; and what the farm shows must agree with them."""
    if not CHECKER.exists():
        return
    shown, workers = run.farm.folder / "shown.jsonl", run.farm.folder / "workers.json"
    shown.write_text("".join(json.dumps(run.farm.batch(batch["id"])) + "\n" for batch in run.batches))
    workers.write_text(json.dumps(run.farm.zoe("worker", "list", json_out=True)))
    command = [sys.executable, "-B", str(CHECKER), "--acks", str(run.farm.acks), "--renders", str(run.farm.state / "renders"), "--shown", str(shown), "--workers", str(workers)]
    command += [part for name in sorted(run.sick) for part in ("--sick", name)]
    command += [part for batch, clip in sorted(run.may_fail) for part in ("--may-fail", f"{batch}/{clip}")]
    command += [part for batch in sorted(run.gone) for part in ("--gone", batch)]
    command += [part for batch in sorted(getattr(run, "may_be_there", ())) for part in ("--also", batch)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600 * SLOW)
    run.checker = "green" if done.returncode == 0 else "red"
    run.expect(done.returncode == 0, "the independent checker is green", (done.stdout + done.stderr).strip()[-1000:])


# -- what many scenarios say --------------------------------------------------------------------------


def told_of(attempts):
    """The first few, for a detail."""
    return [f"{a.where} {a.worker} {a.end} {a.message}" for a in attempts[:3]]


def nobody_blamed(run, facts):
    blamed = facts.ended(*BLAMED)
    run.expect(not blamed, "no task and no worker is blamed", told_of(blamed))


def judge_keys(run):
    """One batch a key and owner, and no other."""
    listed = run.farm.zoe("batch", "list", "--limit", "200", json_out=True)["batches"]
    run.expect(sorted(b["id"] for b in listed) == sorted(b["id"] for b in run.batches), "each key made one batch, and nothing else did",
               [(b["name"], b["id"]) for b in listed])


# -- all of it ---------------------------------------------------------------------------------------


def common(run):
    run.farm.keep_up()
    run.expect(run.farm.coordinator.poll() is None, "the coordinator runs at the end")
    for batch in run.batches:
        judge_batch(run, batch)
        judge_tree(run, batch)
    judge_tidiness(run)
    judge_workers(run)
    judge_checker(run)


def logs(run, report):
    """After the end of all processes: did one of them report about itself what must never be?"""
    broken = [f"{path.name}: {line}" for path in sorted(pathlib.Path(run.farm.folder).glob("*.log"))
              for line in path.read_text(errors="replace").splitlines() if BROKEN.search(line)]
    run.expect(not broken, "no program found a fault in itself", broken[:3])
    most = LINES_OF_A_LOG + LINES_OF_A_TASK * report["tasks"]
    chatty = [path.name for path in sorted(pathlib.Path(run.farm.folder).glob("*.log")) if path.read_bytes().count(b"\n") > most]
    run.expect(not chatty, "nobody talks without an end", chatty)

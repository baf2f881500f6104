"""A bad network between all and the coordinator: 300 ms round trip, lost packets, resets, half-open connections and garbled bytes; beside it a worker with a valid key that
talks nonsense, and a thousand workers that join within ten seconds. Nothing is dropped silently, no healthy worker is taken for lost, nonsense is counted, memory stays bounded."""
import json
import pathlib
import subprocess

import chaos_load
import chaos_verdict
from built import built
from chaos_clients import Clients
from chaos_run import CannotRun, Scenario
from farm import SLOW
from proxy import Proxy

STEPS, STEP_MS = 4, 20
NETWORK = {"delay_ms": 150, "jitter_ms": 20, "loss": 0.005, "half_open_every_s": 7, "half_open_s": 3, "garble_share": 0.3}
RESETS = {"workers": {"reset_every_s": 2}, "clients": {"reset_every_s": 5}}   # of clients there is one at a time, whose connection it always strikes
MEMORY_KIB = 400 * 1024       # of the coordinator, a thousand connections and all
PEERS = {name: built(f"tests/zoe_{name}") for name in ("crowd", "babbler")}


class Peer:
    """crowd or babbler: a program that reports in one line."""

    def __init__(self, run, name, *arguments):
        farm, self.run, self.name = run.farm, run, name
        command = [PEERS[name], "--workers", run.direct["workers"], "--clients", run.direct["clients"], "--server-key", farm.ready["public_key"],
                   "--admin-key", farm.state / "keys" / "admin.key", *arguments]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run.cleanups.callback(farm.end, self.process)
        self.report = None

    def ended(self):
        if self.report is None and self.process.poll() is not None:
            out, err = self.process.communicate()
            self.run.expect(self.process.returncode == 0, f"{self.name} came to its end", err.strip()[-300:])
            self.report = json.loads(out) if out else {}
        return self.report is not None


class Memory:
    """Of the coordinator, in KiB."""

    def __init__(self, run):
        self.run, self.first, self.most = run, None, 0

    def tick(self):
        for line in pathlib.Path(f"/proc/{self.run.farm.coordinator.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                self.most = max(self.most, int(line.split()[1]))
                self.first = self.first or self.most


def put_between(run):
    """A proxy before each of the coordinator's two sockets. Workers and owners dial these; the scripted peers and who watches do not."""
    run.direct = dict(run.farm.ready)
    proxies = {}
    for socket in ("workers", "clients"):
        proxies[socket] = Proxy(run.farm.ready[socket], f"{run.seed}:{socket}", **NETWORK, **RESETS[socket])
        run.cleanups.callback(proxies[socket].close)
    run.farm.ready["workers"] = proxies["workers"].url
    for owner in run.farm.owners.values():
        owner["ZOE_COORDINATOR"] = proxies["clients"].url
    return proxies


def count_faults(run, proxies):
    counts = [proxy.counts() for proxy in proxies.values()]
    for fault, name in (("packets_lost", "packet lost"), ("resets", "connection reset"), ("half_open", "connection half open"), ("connections_garbled", "connection garbled")):
        run.tried[name] = run.hits[name] = sum(count.get(fault, 0) for count in counts)
        run.expect(run.hits[name] > 0, "each kind of fault struck", name)
    run.measured["connections"] = sum(count["connections"] for count in counts)


def judge_peers(run, babbler, crowd, bad_before):
    status = run.farm.zoe("status", json_out=True)
    babbled, crowded = babbler.report, crowd.report
    counted = status["bad_messages"] - bad_before
    run.expect(counted == babbled["bad"], "each bad message is counted, and no good one", f"{counted} of {babbled['bad']}")
    run.expect(crowded["joined"] == crowded["count"], "the whole crowd joins", crowded)
    run.expect(crowded["strangers"] == 0, "nobody of the crowd is forgotten", crowded)
    run.expect(crowded["beats"] == crowded["beats_seen"] > 0, "each heartbeat of the crowd is answered", crowded)
    run.measured.update(nonsense_sent=babbled["sent"], nonsense_counted=counted, crowd=crowded["joined"], crowd_joined_after_ms=crowded["all_joined_after_ms"], crowd_slowest_join_ms=crowded["slowest_join_ms"])


def judge_healthy(run):
    facts = run.facts()
    lost = facts.ended("lost", "hung")
    run.expect(not lost, "no healthy worker is taken for lost", chaos_verdict.told_of(lost))
    chaos_verdict.nobody_blamed(run, facts)


def run_it(run):
    missing = [str(path) for path in PEERS.values() if not path.exists()]
    if missing:
        raise CannotRun(f"{', '.join(missing)} not built")
    run.attempts_max = 6
    run.farm.start_coordinator()
    for owner in ("ann", "bob", "cyd"):
        run.farm.owner(owner)
    for name in run.names():
        run.farm.worker_key(name)
    bad_before = run.farm.zoe("status", json_out=True)["bad_messages"]
    proxies = put_between(run)
    for name in run.names():
        run.farm.worker(name, "--threads", "1")
    clients, memory = Clients(run, chaos_load.make(run.draw, run.tasks, steps=STEPS, step_ms=STEP_MS)), Memory(run)
    crowd = Peer(run, "crowd", "--count", 200 if run.short else 1000, "--join-s", 10, "--stay-s", 15 if run.short else 60)
    babbler = Peer(run, "babbler", "--seed", run.seed, "--messages", 5000 if run.short else 50000, "--per-s", 1000)
    run.go(memory.tick, clients.tick, until=lambda: clients.done() and crowd.ended() and babbler.ended() and run.over())
    count_faults(run, proxies)
    judge_peers(run, babbler, crowd, bad_before)
    judge_healthy(run)
    chaos_verdict.judge_keys(run)
    run.measured.update(submissions=len(run.batches), submissions_sent=clients.tries, coordinator_most_mib=memory.most // 1024, coordinator_first_mib=memory.first // 1024)
    run.expect(memory.most < MEMORY_KIB * SLOW, "the coordinator's memory is bounded", f"{memory.most // 1024} MiB")
    refused = [e for e in chaos_verdict.events(run) if e["kind"] == "worker.quarantined"]
    run.expect(not refused, "nobody is in quarantine for a bad network", refused[:2])


SCENARIO = Scenario(7, "a bad network, nonsense from a valid key, and a crowd of workers that join at once", run_it, short_tasks=40)

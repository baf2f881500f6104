"""What is rendered while faults strike: eight batches of three owners, drawn from the seed. Clips of one task, six-segment clips (chain) and averaged windows, all of the
`pattern` family, small enough that two thousand tasks take about two minutes on two cores when nothing is hurt."""
from chaos_farm import OWNERS

CHAIN_TASKS, WINDOWS_TASKS = 6, 9
CHAIN = ["--segment-frames", "8", "--overlap", "2", "--frames", "38"]
WINDOWS = ["--method", "windows", "--segment-frames", "8", "--overlap", "2", "--frames", "20"]
SINGLE_BATCHES = 6


def batch(name, owner, lines, flags, steps, tasks_per_clip):
    return {"name": name, "owner": owner, "key": f"key-{name}", "lines": lines, "tasks": len(lines) * tasks_per_clip, "tasks_per_clip": tasks_per_clip,
            "flags": ["--model", "pattern", "--size", "32x32", "--steps", str(steps), "--name", name, *flags]}


def lines_of(draw, name, count, step_ms):
    pattern = {"pattern": {"step_ms": step_ms}} if step_ms else {}
    return [{"prompt": f"{name} {n} {draw.randrange(10**6)}", "seed": draw.randrange(2**31), **pattern} for n in range(count)]


def make(draw, tasks, steps=4, step_ms=0, single_frames=4):
    """Batches of about `tasks` tasks: 60 % in six-segment clips, 5 % in averaged windows, the rest in clips of one task."""
    chains = max(1, tasks * 6 // 10 // CHAIN_TASKS)
    windows = max(1, tasks // 20 // WINDOWS_TASKS)
    singles = max(SINGLE_BATCHES, tasks - chains * CHAIN_TASKS - windows * WINDOWS_TASKS)
    batches = [batch("chains", OWNERS[0], lines_of(draw, "chain", chains, step_ms), CHAIN, steps, CHAIN_TASKS),
               batch("windows", OWNERS[1], lines_of(draw, "window", windows, step_ms), [*WINDOWS, "--sync-every", str(max(1, steps // 2))], steps, WINDOWS_TASKS)]
    left = singles
    for number in range(SINGLE_BATCHES):
        last = number == SINGLE_BATCHES - 1
        count = left if last else max(1, min(left - (SINGLE_BATCHES - 1 - number), draw.randint(singles // 9 + 1, singles // 5 + 1)))
        left -= count
        batches.append(batch(f"single{number}", OWNERS[number % len(OWNERS)], lines_of(draw, f"single{number}", count, step_ms), ["--frames", str(single_frames)], steps, 1))
    draw.shuffle(batches)
    return batches

"""The `pattern` family's frames, written anew from its description: frame f of (prompt, seed) is integer arithmetic on the SHA-256 of the prompt, a zero byte and the seed's
eight little-endian bytes. A background whose hue runs linearly in x, y (sixteenths, rounded towards zero) and f; over it a square that swings between the borders."""
import hashlib
import struct

LOW = 40
SPAN = 255 - LOW
HUES = 6 * SPAN


def _channels(hue):
    sector, rest = divmod(hue, SPAN)
    up, down = LOW + rest, 255 - rest
    return bytes(((255, up, LOW), (down, 255, LOW), (LOW, 255, up), (LOW, down, 255), (up, LOW, 255), (255, LOW, down))[sector])


WHEEL = [_channels(hue) for hue in range(HUES)] * 2


def _toward_zero(number, by):
    return number // by if number >= 0 else -(-number // by)


def _swing(at):
    phase = at % 512
    return min(phase, 512 - phase)


class Look:
    """What a prompt and a seed look like; frames are RGB bytes, row by row."""

    def __init__(self, prompt, seed, width, height):
        d = hashlib.sha256(prompt.encode() + b"\0" + struct.pack("<Q", seed % (1 << 64))).digest()
        sign = lambda byte: 1 if byte % 2 == 0 else -1
        self.width, self.height = width, height
        self.hue = int.from_bytes(d[0:2], "big") % HUES
        across, down = sign(d[2]) * (16 + d[3] % 64), sign(d[4]) * (16 + d[5] % 64)
        self.drift = sign(d[6]) * (HUES // 48 + d[7] % (HUES // 24))
        self.side = min(width, height) * (4 + d[8] % 4) // 16
        self.block_hue = HUES // 3 + d[9] % (HUES // 3)
        self.start, self.way = (d[10], d[11]), (12 + d[12] % 24, 12 + d[13] % 24)
        self.slope = [[_toward_zero(x * across + y * down, 16) % HUES for x in range(width)] for y in range(height)]

    def frame(self, number):
        base = (self.hue + number * self.drift) % HUES
        left, top = ((extent - self.side) * _swing(self.start[i] + number * self.way[i]) // 256 for i, extent in enumerate((self.width, self.height)))
        block = WHEEL[(base + self.block_hue) % HUES] * self.side
        rows = []
        for y, slope in enumerate(self.slope):
            row = b"".join([WHEEL[base + s] for s in slope])
            if top <= y < top + self.side:
                row = row[:3 * left] + block + row[3 * (left + self.side):]
            rows.append(row)
        return b"".join(rows)

    def frames(self, count):
        return b"".join(self.frame(n) for n in range(count))


def digest(prompt, seed, width, height, count):
    """SHA-256 of all frames, as hex."""
    look, whole = Look(prompt, seed, width, height), hashlib.sha256()
    for number in range(count):
        whole.update(look.frame(number))
    return whole.hexdigest()

"""The world of the shapes model: captioned clips of one coloured shape on a plain background.

Needs numpy only. A clip is float32 [frames, 3, height, width] in [-1, 1].
"""
import hashlib
import itertools
import math

import numpy as np

SIZE = 64
FRAMES = 16

COLOURS = {
    'red': (220, 40, 40),
    'green': (40, 180, 70),
    'blue': (50, 90, 230),
    'yellow': (240, 215, 50),
    'purple': (150, 60, 200),
    'cyan': (60, 210, 220),
    'orange': (245, 140, 40),
    'pink': (245, 140, 190),
}
BACKGROUNDS = {'black': (12, 12, 16), 'white': (244, 244, 240), 'gray': (120, 122, 126)}
SHAPES = ['circle', 'square', 'triangle', 'ring', 'cross']
# Motion as a participle -> as a verb.
MOTIONS = {
    'moving left': 'moves left',
    'moving right': 'moves right',
    'moving up': 'moves up',
    'moving down': 'moves down',
    'growing': 'grows',
    'shrinking': 'shrinks',
    'spinning': 'spins',
    'standing still': 'stands still',
}


def is_held_out(colour, shape, motion):
    """Whether a triple is kept out of training: one in ten, by hash."""
    digest = hashlib.sha256(f'{colour}|{shape}|{motion}'.encode()).hexdigest()
    return int(digest, 16) % 10 == 0


TRIPLES = list(itertools.product(COLOURS, SHAPES, MOTIONS))
TRAIN = [triple for triple in TRIPLES if not is_held_out(*triple)]
TEST = [triple for triple in TRIPLES if is_held_out(*triple)]


def article(word):
    return 'an' if word[0] in 'aeiou' else 'a'


def plain_caption(colour, shape, motion, background):
    """The caption that evaluation prompts with."""
    return f'{article(colour)} {colour} {shape} {motion} on a {background} background'


def caption(random, colour, shape, motion, background):
    """One of six ways to say what a clip shows; two leave the background out."""
    choice = random.random()
    thing = f'{colour} {shape}'
    verb = MOTIONS[motion]
    if choice < .5:
        return plain_caption(colour, shape, motion, background)
    if choice < .65:
        return f'{article(colour)} {thing} {verb} on a {background} background'
    if choice < .75:
        return f'{thing} {motion}, {background} background'
    if choice < .85:
        return f'{article(colour)} {thing} {motion}'
    if choice < .9:
        return f'the {thing} {verb}'
    return f'a video of {plain_caption(colour, shape, motion, background)}'


def caption_words():
    """Every word a caption can hold, sorted."""
    words = {'a', 'an', 'the', 'on', 'background', 'video', 'of'}
    words.update(COLOURS, BACKGROUNDS, SHAPES)
    for participle, verb in MOTIONS.items():
        words.update(participle.split(), verb.split())
    return sorted(words)


# ---------------------------------------------------------------- geometry

def circle_distance(x, y, radius):
    return np.hypot(x, y) - radius


def ring_distance(x, y, radius):
    return np.abs(np.hypot(x, y) - radius * .75) - radius * .25


def square_distance(x, y, radius):
    return np.maximum(np.abs(x), np.abs(y)) - radius * .85


def cross_distance(x, y, radius):
    wide = np.maximum(np.abs(x) - radius, np.abs(y) - radius * .33)
    tall = np.maximum(np.abs(x) - radius * .33, np.abs(y) - radius)
    return np.minimum(wide, tall)


def triangle_distance(x, y, radius):
    """Equilateral, apex up (y grows downwards)."""
    half = radius * .95 * .5
    root = math.sqrt(3)
    sides = np.maximum((root * x - y) / 2 - half, (-root * x - y) / 2 - half)
    return np.maximum(y - half, sides)


DISTANCES = {
    'circle': circle_distance,
    'square': square_distance,
    'triangle': triangle_distance,
    'ring': ring_distance,
    'cross': cross_distance,
}


def signed_distance(shape, x, y, radius):
    """Distance of points to a shape's edge around the origin, negative inside; arrays broadcast."""
    return DISTANCES[shape](x, y, radius)


# ---------------------------------------------------------------- clips

class Path:
    """Radius, centre (in 64ths of the frame) and angle of the shape in every frame."""

    def __init__(self, random, frames):
        self.time = np.linspace(0, 1, frames)
        self.radius = np.full(frames, random.uniform(12, 16))
        self.x = np.full(frames, 32.)
        self.y = np.full(frames, 32.)
        self.angle = np.zeros(frames)

    def crossing(self, random):
        """A coordinate that goes from the low edge to the high one."""
        low, high = self.radius[0] + 2, 62 - self.radius[0]
        start, end = random.uniform(low, low + 5), random.uniform(high - 5, high)
        return start + (end - start) * self.time


def move_sideways(path, random, forward):
    x = path.crossing(random)
    path.x = x if forward else x[::-1]
    path.y[:] = random.uniform(24, 40)


def move_upright(path, random, forward):
    y = path.crossing(random)
    path.y = y if forward else y[::-1]
    path.x[:] = random.uniform(24, 40)


def change_size(path, random, forward):
    small, large = random.uniform(6, 8), random.uniform(21, 25)
    radius = small + (large - small) * path.time
    path.radius = radius if forward else radius[::-1]
    path.x[:] = random.uniform(28, 36)
    path.y[:] = random.uniform(28, 36)


def spin(path, random):
    """Half a turn."""
    path.radius[:] = random.uniform(16, 20)
    path.angle = path.time * math.pi + random.uniform(0, .5)
    path.x[:] = random.uniform(26, 38)
    path.y[:] = random.uniform(26, 38)


def stand_still(path, random):
    path.x[:] = random.uniform(20, 44)
    path.y[:] = random.uniform(20, 44)


MOVES = {
    'moving left': lambda path, random: move_sideways(path, random, False),
    'moving right': lambda path, random: move_sideways(path, random, True),
    'moving up': lambda path, random: move_upright(path, random, False),
    'moving down': lambda path, random: move_upright(path, random, True),
    'growing': lambda path, random: change_size(path, random, True),
    'shrinking': lambda path, random: change_size(path, random, False),
    'spinning': spin,
    'standing still': stand_still,
}


def coverage(shape, path, size):
    """How much of each pixel the shape covers, [frames, size, size]."""
    scale = size / SIZE
    grid = (np.arange(size) + .5) / scale
    x = grid[None, None, :] - path.x[:, None, None]
    y = grid[None, :, None] - path.y[:, None, None]
    cosine, sine = np.cos(path.angle)[:, None, None], np.sin(path.angle)[:, None, None]
    turned_x, turned_y = cosine * x + sine * y, cosine * y - sine * x
    distance = signed_distance(shape, turned_x, turned_y, path.radius[:, None, None])
    return np.clip(.5 - distance * scale, 0, 1)


def to_unit(rgb):
    """A colour of 0..255 as [1, 3, 1, 1] in [-1, 1]."""
    return np.array(rgb, np.float32).reshape(1, 3, 1, 1) / 127.5 - 1


def clip(random, colour, shape, motion, background, frames=FRAMES, size=SIZE):
    """Draws a clip; what the caption leaves open (place, size, angle) comes from random."""
    path = Path(random, frames)
    MOVES[motion](path, random)
    alpha = coverage(shape, path, size)[:, None]
    picture = alpha * to_unit(COLOURS[colour]) + (1 - alpha) * to_unit(BACKGROUNDS[background])
    return picture.astype(np.float32)


def random_scene(random, triples=None):
    """A (colour, shape, motion, background) to draw."""
    return (*random.choice(triples or TRAIN), random.choice(list(BACKGROUNDS)))


def single_frames(random, count, size=SIZE):
    """Frames [count, 3, size, size] taken from as many clips."""
    clips = [clip(random, *random_scene(random, TRIPLES), size=size) for _ in range(count)]
    return np.stack([frames[random.randrange(len(frames))] for frames in clips])


def test_scenes(random, count):
    """Held-out scenes. A turning circle or ring is left out: it is not seen to turn."""
    scenes = []
    while len(scenes) < count:
        scene = random_scene(random, TEST)
        if not (scene[2] == 'spinning' and scene[1] in ('circle', 'ring')):
            scenes.append(scene)
    return scenes

"""Judges what a clip of the shapes world shows: colour, shape, motion and background.

    judge.py FILE.mp4 ...        one JSON line a file

Needs numpy, and ffmpeg and ffprobe on the path to read videos.
"""
import argparse
import json
import math
import subprocess

import numpy as np

import shapes

MOVED_PIXELS = 8        # of 64, between the first and the last fifth of the clip
GROWN, SHRUNK = 1.8, .55     # ratio of areas, likewise
SPINNING_CHANGE = .006  # mean change from frame to frame, as a share of the contrast
RADII = np.linspace(6, 26, 21)


def judge(frames):
    """What frames (uint8 [frames, height, width, 3]) show; None for what cannot be seen."""
    frames = np.asarray(frames)
    background, contrast = background_contrast(frames)
    peak = np.percentile(contrast, 99.5)
    verdict = {'colour': None, 'shape': None, 'motion': None,
               'background': nearest(background, shapes.BACKGROUNDS)}
    if (contrast > max(40, .5 * peak)).sum() < len(frames) * 8:
        return verdict
    area, x, y = track(contrast, peak)
    core = frames[contrast > max(40, .8 * peak)]
    verdict['colour'] = nearest(np.median(core, axis=0), shapes.COLOURS)
    verdict['motion'] = judge_motion(frames, peak, area, x, y)
    verdict['shape'] = judge_shape(contrast / peak, x, y)
    return verdict


def background_contrast(frames):
    """The median colour of the border, and every pixel's distance from it."""
    border = np.concatenate([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], 1)
    background = np.median(border.reshape(-1, 3), axis=0)
    return background, np.sqrt(((frames.astype(float) - background) ** 2).sum(-1))


def nearest(colour, table):
    """The name of the table's colour nearest to colour."""
    def distance(name):
        return sum((float(a) - b) ** 2 for a, b in zip(colour, table[name]))
    return min(table, key=distance)


def pixel_grid(height, width):
    """Pixel centres in 64ths of the frame's height."""
    scale = 64 / height
    y, x = np.mgrid[0:height, 0:width]
    return (x + .5) * scale, (y + .5) * scale


def track(contrast, peak):
    """Area and centre of the shape in every frame."""
    x, y = pixel_grid(*contrast.shape[1:])
    weight = np.clip(contrast / peak, 0, 1) * (contrast > 30)
    area = weight.sum((1, 2)) + 1e-6
    return area, (weight * x).sum((1, 2)) / area, (weight * y).sum((1, 2)) / area


def judge_motion(frames, peak, area, x, y):
    """Place first, then size, then change within the shape."""
    fifth = max(1, len(frames) // 5)
    right = x[-fifth:].mean() - x[:fifth].mean()
    down = y[-fifth:].mean() - y[:fifth].mean()
    if max(abs(right), abs(down)) > MOVED_PIXELS:
        if abs(right) > abs(down):
            return 'moving right' if right > 0 else 'moving left'
        return 'moving down' if down > 0 else 'moving up'
    growth = area[-fifth:].mean() / area[:fifth].mean()
    if growth > GROWN:
        return 'growing'
    if growth < SHRUNK:
        return 'shrinking'
    change = np.abs(frames[1:].astype(float) - frames[:-1]).mean() / (peak + 1e-6)
    return 'spinning' if change > SPINNING_CHANGE else 'standing still'


def judge_shape(mask, x, y):
    """The shape whose best fit in radius and angle overlaps most, over three frames."""
    last = len(mask) - 1
    scores = dict.fromkeys(shapes.SHAPES, 0.)
    for frame in (0, (last + 1) // 2, last):
        visible = np.clip(mask[frame], 0, 1)
        for shape in scores:
            scores[shape] += best_overlap(shape, visible, x[frame], y[frame])
    return max(scores, key=scores.get)


def angles(shape):
    """Angles to try, over the shape's symmetry."""
    if shape in ('circle', 'ring'):
        return [0.]
    return np.linspace(0, 2 * math.pi / (3 if shape == 'triangle' else 4), 8, endpoint=False)


def best_overlap(shape, visible, centre_x, centre_y):
    """Highest intersection over union of a drawn shape with what is visible."""
    x, y = pixel_grid(*visible.shape)
    x, y = x - centre_x, y - centre_y
    best = 0.
    for angle in angles(shape):
        cosine, sine = math.cos(angle), math.sin(angle)
        turned = cosine * x + sine * y, cosine * y - sine * x
        distance = shapes.signed_distance(shape, *turned, RADII[:, None, None])
        drawn = np.clip(.5 - distance * len(visible) / 64, 0, 1)
        union = np.maximum(drawn, visible).sum((1, 2)) + 1e-6
        best = max(best, (np.minimum(drawn, visible).sum((1, 2)) / union).max())
    return best


def matches(verdict, scene):
    """Which of the four a clip of scene (colour, shape, motion, background) got right."""
    names = ('colour', 'shape', 'motion', 'background')
    return {name: verdict[name] == wanted for name, wanted in zip(names, scene)}


def video_size(path):
    """Width and height of a video's first stream."""
    command = ['ffprobe', '-v', 'error', '-select_streams', 'v:0', '-show_entries',
               'stream=width,height', '-of', 'csv=p=0', path]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    width, height = text.strip().split(',')[:2]
    return int(width), int(height)


def read_video(path):
    """All frames of a video as uint8 [frames, height, width, 3]."""
    width, height = video_size(path)
    command = ['ffmpeg', '-v', 'error', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-']
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def main():
    parser = argparse.ArgumentParser(description='Judges clips of the shapes world.')
    parser.add_argument('files', nargs='+', metavar='FILE.mp4')
    for path in parser.parse_args().files:
        print(json.dumps({'file': path, **judge(read_video(path))}), flush=True)


if __name__ == '__main__':
    main()

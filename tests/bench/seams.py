"""Measures the joints of a clip that was rendered in segments: whether one sees where a segment ends.

    seams.py [--window 16] [--overlap 4] [--joints 16,28,40] [--size 64x64] [--json] CLIP ...
    seams.py --self-test

CLIP is a video that ffmpeg reads or a folder of PNG files, of one shape on a plain background. A joint is named by its first new frame; without --joints they
follow from the window and the overlap as in a chain: window k begins k * (window - overlap) frames in, and its first `overlap` frames are the ones before.

In every frame the shape is told from the background by colour: its mean colour, the background's colour, its area and its centre. Between two frames that
follow each other these four change. A joint is good when each changes there by no more than its limit: 1.5 times the largest change between frames of the same
segment of the same clip, or 6/255, 4/255, 10 % and 2 pixels where that is more. A frame without a visible shape at a joint makes it bad.

Needs ffmpeg and ffprobe on the path, unless CLIP is a .rgb file of frames of 64x64 (--size). Exit status 0 when every joint of every clip is good, 1 when one is not.
"""
import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

QUANTITIES = ('colour', 'background', 'area', 'centre')
FLOORS = {'colour': 6., 'background': 4., 'area': .10, 'centre': 2.}    # of 255, of 255, share, pixels
FACTOR = 1.5                # a joint may change this much more than the largest change inside segments
LEAST_CONTRAST = 40.        # distance in RGB below which nothing is seen to stand out
LEAST_PIXELS = 8            # fewer than that are no shape
PEAK_SHARE = .99            # a shape of 1 % of the frame still sets the contrast


def border(width, height):
    """The places of a frame's outermost pixels."""
    sides = [row * width + column for row in range(1, height - 1) for column in (0, width - 1)]
    return [*range(width), *range((height - 1) * width, height * width), *sides]


def mean(rows):
    return [statistics.fmean(column) for column in zip(*rows)]


def measure(frame, size):
    """Colour, background, area and centre of the shape in a frame (RGB24 bytes of size (width, height)); None where no shape is seen.

    The background is the median of the border. The shape is what is at least half as far from it as the most distant pixels are, which puts the outline at the
    middle of a soft edge; its colour is the mean of what is nearly as far as they (0.8), so that soft edges do not tint it.
    """
    width, height = size
    pixels = list(zip(frame[0::3], frame[1::3], frame[2::3]))
    background = [statistics.median(channel) for channel in zip(*(pixels[place] for place in border(width, height)))]
    distance = [math.dist(pixel, background) for pixel in pixels]
    peak = sorted(distance)[int(PEAK_SHARE * (len(distance) - 1))]
    shape = [place for place, far in enumerate(distance) if far > max(LEAST_CONTRAST, .5 * peak)]
    if len(shape) < LEAST_PIXELS:
        return {'colour': None, 'background': background, 'area': 0, 'centre': None}
    core = [pixels[place] for place in shape if distance[place] >= .8 * peak]
    return {'colour': mean(core), 'background': background, 'area': len(shape), 'centre': mean((place % width, place // width) for place in shape)}


def largest(before, after):
    """The channel that changes most."""
    return max(abs(b - a) for a, b in zip(before, after))


def change(before, after):
    """How much each quantity changes from one frame's measures to the next one's; infinite where a shape comes or goes, zero where there is none in both."""
    background = {'background': largest(before['background'], after['background'])}
    seen = [measures['colour'] is not None for measures in (before, after)]
    if not all(seen):
        return {**background, **dict.fromkeys(('colour', 'area', 'centre'), math.inf if any(seen) else 0.)}
    return {**background,
            'colour': largest(before['colour'], after['colour']),
            'area': abs(after['area'] - before['area']) / before['area'],
            'centre': math.dist(before['centre'], after['centre'])}


def chain_joints(frames, window, overlap):
    """The first new frame of every segment but the first, for a clip of that many frames."""
    return list(range(window, frames, window - overlap))


def limits(changes, joints):
    """The most that each quantity may change at a joint. changes[f] is the change from frame f - 1 to f, changes[0] unused."""
    inside = [change for frame, change in enumerate(changes) if frame and frame not in joints]
    return {name: max(FLOORS[name], FACTOR * max([change[name] for change in inside if math.isfinite(change[name])], default=0.)) for name in QUANTITIES}


def judge(frames, size, joints):
    """What a clip's joints are like: {'passes', 'limits', 'joints': [{'frame', 'passes', the four changes, 'beyond': names}], 'without_shape': frames}."""
    if any(not 0 < joint < len(frames) for joint in joints):
        raise ValueError(f'a clip of {len(frames)} frames has no joint at frame {max(joints)}')
    measures = [measure(frame, size) for frame in frames]
    changes = [None] + [change(*pair) for pair in zip(measures, measures[1:])]
    allowed = limits(changes, joints)
    blank = [frame for frame, measured in enumerate(measures) if measured['colour'] is None]
    verdicts = []
    for joint in joints:
        beyond = [name for name in QUANTITIES if changes[joint][name] > allowed[name]]
        if {joint - 1, joint} & set(blank):
            beyond.append('shape')
        verdicts.append({'frame': joint, 'passes': not beyond, 'beyond': beyond, **changes[joint]})
    return {'passes': all(verdict['passes'] for verdict in verdicts), 'limits': allowed, 'joints': verdicts, 'without_shape': blank}


def finite(value):
    """The same for JSON, which has no infinity: null."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def video_size(path):
    command = ['ffprobe', '-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', path]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    width, height = text.strip().split(',')[:2]
    return int(width), int(height)


def frames_of(raw, size):
    """RGB24 bytes, cut into frames."""
    length = size[0] * size[1] * 3
    if not raw or len(raw) % length:
        raise ValueError(f'{len(raw)} bytes are no whole frames of {size[0]}x{size[1]}')
    return [raw[place:place + length] for place in range(0, len(raw), length)]


def read_clip(path, raw_size):
    """All frames of a video, of a folder of PNG files in the order of their names, or of a .rgb file, and their size."""
    if path.endswith('.rgb'):
        return frames_of(read_bytes(path), raw_size), raw_size
    source, options, given = path, [], None
    if os.path.isdir(path):
        names = sorted(glob.glob(os.path.join(glob.escape(path), '*.png')))
        if not names:
            raise ValueError(f'{path}: no PNG files')
        source, options, given = names[0], ['-f', 'image2pipe', '-c:v', 'png'], b''.join(map(read_bytes, names))
    command = ['ffmpeg', '-v', 'error', *options, '-i', '-' if options else path, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-']
    raw = subprocess.run(command, check=True, capture_output=True, input=given).stdout
    size = video_size(source)
    return frames_of(raw, size), size


def read_bytes(path):
    with open(path, 'rb') as file:
        return file.read()


def number(value, digits):
    return '-' if not math.isfinite(value) else f'{value:.{digits}f}'


def print_clip(path, verdict):
    """A line a joint: what changed there and, in brackets, the limit."""
    print(f"{path}: {'passes' if verdict['passes'] else 'FAILS'}")
    digits = {'colour': 1, 'background': 1, 'area': 2, 'centre': 1}
    for joint in verdict['joints']:
        cells = [f'{name} {number(joint[name], digits[name])} ({number(verdict["limits"][name], digits[name])})' for name in QUANTITIES]
        print(f"  joint {joint['frame']:4}: " + ', '.join(cells) + (f"  beyond: {', '.join(joint['beyond'])}" if joint['beyond'] else ''))


# ---------------------------------------------------------------- self-test

SIZE = (64, 64)


def disc(x, radius, colour, background):
    """A frame of a soft-edged disc whose centre is at (x, 32)."""
    cover = [min(max(radius + .5 - math.hypot(column + .5 - x, row + .5 - 32), 0.), 1.) for row in range(64) for column in range(64)]
    return bytes(round(share * c + (1 - share) * b) for share in cover for c, b in zip(colour, background))


def drawn(count, colour=(220, 40, 40), background=(244, 244, 240), radius=12., start=20., pace=1.):
    """It moves to the right."""
    return [disc(start + pace * index, radius, colour, background) for index in range(count)]


def expect(what, verdict, beyond):
    """Fails the self-test when the one joint of a clip is not bad in exactly the quantities named."""
    found = verdict['joints'][0]['beyond']
    if sorted(found) != sorted(beyond) or verdict['passes'] != (not beyond):
        sys.exit(f'self-test: {what}: beyond its limits was {found}, expected {beyond}')


def self_test():
    """Clips of two segments whose joint is at frame 8: a good one, and one for each thing that can be wrong, just inside its limit and just beyond."""
    def joined(**second):
        return drawn(8) + drawn(8, **{'start': 28., **second})
    cases = [('one motion', {}, []),
             ('colour by 5', {'colour': (220, 45, 40)}, []), ('colour by 8', {'colour': (220, 48, 40)}, ['colour']),
             ('background by 3', {'background': (244, 241, 240)}, []), ('background by 6', {'background': (244, 238, 240)}, ['background']),
             ('radius by 3 %', {'radius': 12.36}, []), ('radius by 10 %', {'radius': 13.2}, ['area']),
             ('a step of 1.9', {'start': 28.9}, []), ('a step of 3', {'start': 30.}, ['centre']),
             ('nothing to see', {'colour': (244, 244, 240)}, ['colour', 'area', 'centre', 'shape'])]
    for what, second, beyond in cases:
        expect(what, judge(joined(**second), SIZE, [8]), beyond)
    fast = drawn(8, pace=2.) + drawn(8, start=36.8, pace=2.)
    expect('a step of 2.8 where 2 are usual', judge(fast, SIZE, [8]), [])
    expect('the same step where 1 is usual', judge(drawn(8) + drawn(8, start=29.8), SIZE, [8]), ['centre'])
    expect('nothing to see at all', judge([bytes([90]) * 64 * 64 * 3] * 16, SIZE, [8]), ['shape'])
    if chain_joints(52, 16, 4) != [16, 28, 40] or chain_joints(16, 16, 4) or chain_joints(30, 16, 4) != [16, 28]:
        sys.exit('self-test: joints of a chain')
    expect_read(drawn(8))
    print('self-test: passed')


def expect_read(frames):
    """The same frames come back from a lossless video, from a folder of PNG files and from a .rgb file."""
    with tempfile.TemporaryDirectory() as folder:
        raw, video = os.path.join(folder, 'a.rgb'), os.path.join(folder, 'a.mkv')
        with open(raw, 'wb') as file:
            file.write(b''.join(frames))
        source = ['ffmpeg', '-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', '64x64', '-i', raw]
        subprocess.run([*source, '-c:v', 'ffv1', '-pix_fmt', 'bgr0', video], check=True)
        subprocess.run([*source, os.path.join(folder, '%02d.png')], check=True)
        for path in (raw, video, folder):
            if read_clip(path, SIZE) != (frames, SIZE):
                sys.exit(f'self-test: {os.path.basename(path)} is read otherwise than it was written')


def arguments():
    parser = argparse.ArgumentParser(description='Measures the joints of clips rendered in segments.')
    parser.add_argument('clips', nargs='*', metavar='CLIP')
    parser.add_argument('--window', type=int, default=16)
    parser.add_argument('--overlap', type=int, default=4)
    parser.add_argument('--joints', help='first new frames, with commas between, instead of those of a chain')
    parser.add_argument('--size', default=(64, 64), type=lambda text: tuple(map(int, text.split('x'))), help='of the frames of .rgb files')
    parser.add_argument('--json', action='store_true', help='a JSON line a clip')
    parser.add_argument('--self-test', action='store_true')
    return parser.parse_args()


def main():
    options = arguments()
    if options.self_test:
        return self_test()
    passed = True
    for path in options.clips:
        frames, size = read_clip(path, options.size)
        joints = [int(joint) for joint in options.joints.split(',')] if options.joints else chain_joints(len(frames), options.window, options.overlap)
        verdict = judge(frames, size, joints)
        passed = passed and verdict['passes']
        if options.json:
            print(json.dumps({'clip': path, **finite(verdict)}), flush=True)
        else:
            print_clip(path, verdict)
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())

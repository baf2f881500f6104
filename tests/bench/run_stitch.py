"""Stitching a ten-minute clip from stored segments, beside ffmpeg's concat demuxer and libx264.

    run_stitch.py BUILD [--segments 400] [--frames 12] [--size 256x256] [--rounds 3]

BUILD is a release build's folder that has bin/zoe-media. Segments are made by ffmpeg with the format
of ours. A round is one process of each side, in turns; processor seconds count, so that other
programs do not disturb much, and the peak of resident memory. zoe-media also compares the digest of
every segment, and decodes the finished file again; ffmpeg does neither. A last line gives
zoe-media's memory for a tenth of the segments.
"""
import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

QUIET = ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y']
LOSSLESS = ['-c:v', 'ffv1', '-level', '3', '-g', '1', '-slicecrc', '1', '-slices', '4', '-coder',
            'range_def', '-pix_fmt', 'bgr0', '-flags', 'bitexact', '-fflags', 'bitexact']
# The same effort as media/mp4_writer.c asks for.
X264 = ['-c:v', 'libx264', '-preset', 'medium', '-profile:v', 'high', '-crf', '12', '-threads', '1',
        '-pix_fmt', 'yuv420p', '-g', '48', '-movflags', '+faststart', '-x264-params',
        'threads=1:lookahead-threads=1:cpu-independent=1:trellis=0:psy=0:fast-pskip=0:'
        'dct-decimate=0:mbtree=0:chroma-qp-offset=-12']


def arguments():
    parser = argparse.ArgumentParser(description='Stitching beside ffmpeg.')
    parser.add_argument('build')
    parser.add_argument('--segments', type=int, default=400)
    parser.add_argument('--frames', type=int, default=12)
    parser.add_argument('--size', default='256x256')
    parser.add_argument('--rounds', type=int, default=3)
    return parser.parse_args()


def make_segments(folder, args):
    """All of a moving picture, cut into segments; what the stitcher is told of them."""
    total = args.segments * args.frames
    width, height = map(int, args.size.split('x'))
    raw = subprocess.Popen(
        QUIET + ['-f', 'lavfi', '-i', f'testsrc2=size={args.size}:rate=8', '-frames:v',
                 str(total), '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], stdout=subprocess.PIPE)
    listed = []
    for i in range(args.segments):
        pixels = raw.stdout.read(width * height * 3 * args.frames)
        path = folder / f'{i:05}.mkv'
        subprocess.run(
            QUIET + ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', args.size, '-r', '8', '-i', '-']
            + LOSSLESS + [str(path)], input=pixels, check=True)
        listed.append({'path': str(path), 'frames': args.frames, 'first': i * args.frames,
                       'frames_sha256': hashlib.sha256(pixels).hexdigest()})
    raw.stdout.close()
    raw.wait()
    return listed


def run(command):
    """Processor seconds and peak memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f'{command[0]} ended with {process.returncode}')
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours(build, folder, listed, args):
    manifest = folder / 'stitch.json'
    manifest.write_text(json.dumps({'segments': listed}), encoding='utf-8')
    width, height = args.size.split('x')
    return [f'{build}/bin/zoe-media', 'stitch', '--out', str(folder / 'ours.mp4'), '--fps', '8',
            '--frames', str(len(listed) * args.frames), '--width', width, '--height', height,
            '--manifest', str(manifest)]


def theirs(folder, listed):
    playlist = folder / 'list.txt'
    playlist.write_text(''.join(f"file '{one['path']}'\n" for one in listed), encoding='utf-8')
    return QUIET + ['-f', 'concat', '-safe', '0', '-i', str(playlist)] + X264 + [
        str(folder / 'theirs.mp4')]


def show(name, runs):
    seconds = statistics.median(one[0] for one in runs)
    memory = max(one[1] for one in runs)
    print(f'{name:28} {seconds:8.2f} s {memory:8.1f} MiB', flush=True)
    return seconds


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        listed = make_segments(folder, args)
        rounds = [[], []]
        for _ in range(args.rounds):
            rounds[0].append(run(ours(args.build, folder, listed, args)))
            rounds[1].append(run(theirs(folder, listed)))
        mine = show('zoe-media stitch', rounds[0])
        peer = show('ffmpeg concat, libx264', rounds[1])
        print(f'{"ratio":28} {mine / peer:8.2f}')
        few = listed[:max(1, len(listed) // 10)]
        show(f'zoe-media, {len(few)} segments', [run(ours(args.build, folder, few, args))])


main()

"""How many clips of a fetched batch show the colour, shape, motion and background asked for.

    adherence.py DIR [--each]

DIR holds FILE.mp4 with FILE.json or FILE.mp4.json beside it, whose `recipe` has `prompt` and `seed`.
What a prompt leaves out is not judged. --each prints a JSON line for every clip first.
"""
import argparse
import collections
import glob
import json
import os

import judge
import shapes

MOTION_PHRASES = {phrase: motion for motion, verb in shapes.MOTIONS.items()
                  for phrase in (motion, verb)}


def asked(prompt):
    """The parts of a scene that a prompt names."""
    text = ' '.join(prompt.lower().replace(',', ' ').split())
    words = text.split()
    scene = {}
    for name, table in (('colour', shapes.COLOURS), ('shape', shapes.SHAPES),
                        ('background', shapes.BACKGROUNDS)):
        scene.update({name: word for word in words if word in table})
    scene.update({'motion': motion for phrase, motion in MOTION_PHRASES.items() if phrase in text})
    return scene


def sidecar(path):
    """The recipe beside a video, or None."""
    for name in (os.path.splitext(path)[0] + '.json', path + '.json'):
        if os.path.exists(name):
            with open(name, encoding='utf-8') as file:
                return json.load(file)['recipe']
    return None


def judge_clip(path, recipe):
    """What a clip shows and which of the parts asked for are right."""
    verdict = judge.judge(judge.read_video(path))
    right = {name: verdict[name] == value for name, value in asked(recipe['prompt']).items()}
    return {'file': os.path.basename(path), 'prompt': recipe['prompt'],
            'seed': recipe.get('seed'), 'shown': verdict, 'right': right}


def print_summary(results):
    """Right and asked for, part by part, and the clips with every part right."""
    right, total = collections.Counter(), collections.Counter()
    for result in results:
        right.update(result['right'])
        total.update(result['right'].keys())
    for name in ('colour', 'shape', 'motion', 'background'):
        print(f'{name}: {right[name]} of {total[name]}')
    complete = sum(all(result['right'].values()) for result in results)
    print(f'everything asked for: {complete} of {len(results)}')


def main():
    parser = argparse.ArgumentParser(description='Judges a fetched batch of shapes clips.')
    parser.add_argument('directory')
    parser.add_argument('--each', action='store_true')
    options = parser.parse_args()
    results = []
    for path in sorted(glob.glob(os.path.join(options.directory, '**', '*.mp4'), recursive=True)):
        recipe = sidecar(path)
        if not recipe or 'prompt' not in recipe:
            continue
        results.append(judge_clip(path, recipe))
        if options.each:
            print(json.dumps(results[-1]), flush=True)
    if not results:
        parser.error(f'no clips with sidecars in {options.directory}')
    print_summary(results)


if __name__ == '__main__':
    main()

"""Trains the shapes model on clips made on the fly: first the VAE, then the UNet with its text encoder.

    train.py vae  [--state state] [--minutes 16]
    train.py unet [--state state] [--minutes 60] [--init FOLDER] [--phases ...] [--workers 2]

The state folder receives vae.pt, and unet.pt with meta.json (see folder.py). --init goes on from a
training state or from a diffusers folder; without it the UNet starts from random numbers and the
VAE of the state folder is used. export.py turns the state folder into the diffusers folder.
"""
import argparse
import os

import train_unet
import train_vae

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description='Trains the shapes model.')
    parser.add_argument('part', choices=('vae', 'unet'))
    parser.add_argument('--state', default=os.path.join(HERE, 'state'))
    parser.add_argument('--minutes', type=float, default=16.)
    parser.add_argument('--init', help='folder to go on from (unet only)')
    parser.add_argument('--phases', default=train_unet.DEFAULT_PHASES,
                        help=train_unet.PHASES_HELP)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--batch', type=int, default=8, help='frames a step (vae only)')
    parser.add_argument('--rate', type=float, help='peak learning rate')
    parser.add_argument('--seed', type=int, default=5)
    return parser.parse_args()


def main():
    options = arguments()
    os.makedirs(options.state, exist_ok=True)
    if options.part == 'vae':
        train_vae.train(options)
    else:
        train_unet.train(options)


if __name__ == '__main__':
    main()

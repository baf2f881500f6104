"""Writes clips as pictures."""
import numpy as np
from PIL import Image


def save_strips(clips, path):
    """One row a clip, its frames side by side."""
    rows = [np.concatenate(list(clip), axis=1) for clip in clips]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)

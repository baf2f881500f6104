"""What else was built beside the programs under test (ZOE_BIN): recorders, liars, peers, the other build."""
import os
import pathlib


def built(name):
    """Path of `name` in the build tree that ZOE_BIN belongs to, BUILD/bin or BUILD/next/bin; it may not be there."""
    programs = pathlib.Path(os.environ["ZOE_BIN"]).resolve()
    places = [folder / name for folder in (programs.parent, programs.parent.parent)]
    return next((place for place in places if place.exists()), places[0])

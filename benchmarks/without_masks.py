"""Train the first `compact` without mask branches, widened to the same MACs, on the crops of the weights, as long.

python benchmarks/without_masks.py runs/without_masks --samples 240000
python benchmarks/rendered_test.py msra runs/without_masks --output benchmarks/results/rendered_test.json
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from networks import FIRST_COMPACT

from keras_handpose.training import RENDERED, RenderedHands, train

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="folder of the run; an interrupted run goes on")
    parser.add_argument("--samples", type=int, default=240_000, help="as in the training of the weights")
    arguments = parser.parse_args()
    architecture = {**FIRST_COMPACT, "attention": False, "filters": (28, 56, 112)}
    recipe = replace(RENDERED, name="without_masks", architecture=architecture)
    train(arguments.output, RenderedHands(samples=arguments.samples), recipe)

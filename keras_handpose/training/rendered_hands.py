"""Training on hands that are rendered as they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from keras_handpose.checks import check_positive, check_whole
from keras_handpose.evaluation import joint_errors, summarise_errors
from keras_handpose.skeletons import SKELETONS, Skeleton
from keras_handpose.synthetic import (
    Ingredients,
    PoseMix,
    describe_test_set,
    iterate_crops,
    render_crops,
    rendered_test_set,
    sample_poses,
)
from keras_handpose.training.data import WHOLE, TrainingData, cut

__all__ = ["RenderedHands"]

_KIND = "rendered hands"
_PRIOR_POSES, _PRIOR_SEED = 20_000, 11
_VALIDATION_CROPS, _VALIDATION_SEED = 512, 7


@dataclass(frozen=True, kw_only=True)
class RenderedHands(TrainingData):
    """Hands that are rendered as they are needed, judged by the rendered test set.

    Args:
        samples: Crops of a pass.
        joints: Name of the joint layout in `SKELETONS`.
        camera: Name of the camera that the record names as the one these joints belong to; the hands are seen by many.
        cube: Edge of the crops in mm.
        ingredients: What the scenes are made of.
        repeats: Crops made of each rendered hand: the first as it is, the others changed by the recipe's augmentation.

    Raises:
        ValueError: A number is not positive or the layout is unknown.
    """

    samples: int = 240_000
    joints: str = "msra21"
    camera: str = "msra15"
    cube: float = 250.0
    ingredients: Ingredients = Ingredients()
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.joints not in SKELETONS:
            raise ValueError(f"`joints` must be one of {', '.join(SKELETONS)}. Received: {self.joints!r}.")
        for key in ("samples", "repeats"):
            object.__setattr__(self, key, check_whole(getattr(self, key), key))
        object.__setattr__(self, "cube", check_positive(self.cube, "cube", "edge in mm"))

    @property
    def skeleton(self) -> Skeleton:
        return SKELETONS[self.joints]

    @property
    def size(self) -> int:
        return 128

    @property
    def cubes(self) -> np.ndarray:
        return np.array([self.cube])

    def __len__(self) -> int:
        return self.samples

    def describe(self) -> str:
        return f"{self.samples // self.repeats:,} rendered hands"

    def identity(self) -> dict[str, Any]:
        return {"kind": _KIND, **asdict(self)}

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> RenderedHands:
        """Return the hands of which `identity` told, as a record of weights keeps it.

        Raises:
            ValueError: It is of other data, or of another version's.
        """
        values = {key: value for key, value in identity.items() if key != "kind"}
        if identity.get("kind") != _KIND or values.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"These are not the rendered hands of this version. Received: {dict(identity)}.")
        ingredients = dict(values["ingredients"])
        poses = PoseMix(**ingredients.pop("poses"))
        return cls(**{**values, "ingredients": Ingredients(**ingredients, poses=poses)})

    def poses(self) -> np.ndarray:
        return sample_poses(_PRIOR_POSES, seed=_PRIOR_SEED, skeleton=self.skeleton, cube=self.cube)

    def batches(self, batch, *, seed, start, augmentation, workers, part=WHOLE):
        batches = iterate_crops(
            batch,
            seed=seed,
            start=start,
            skeleton=self.skeleton,
            cube=self.cube,
            ingredients=self.ingredients,
            augmentation=augmentation,
            repeats=self.repeats,
            workers=workers,
            processes=workers > 1,
        )
        return cut(batches, part)

    def validation(self, *, workers):
        return render_crops(
            _VALIDATION_CROPS, seed=_VALIDATION_SEED, skeleton=self.skeleton, cube=self.cube, workers=workers
        )

    def judge(self, engine, folder, *, workers):
        crops = rendered_test_set(skeleton=self.skeleton, cube=self.cube, workers=workers)
        to_mm = self.cube / 2
        errors = joint_errors(engine(crops.images) * to_mm, crops.joints_unit * to_mm)
        return {"data": describe_test_set(crops), **summarise_errors(errors, self.skeleton)}

    def close(self):
        pass

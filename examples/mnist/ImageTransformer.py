"""From the notification of an image to a request for a model, and from its answer to a digit.

    notification ─▶ preprocess ──▶ {"instances": [[64 numbers]]}
                        │ the object, pinned to the version told of
                      store
    {"predictions": [{"classes": 7, …}]} ─▶ postprocess ─▶ {"digit": 7, "bucket", "key", …}

The image itself is moved by the bridge's own sink, into the bucket `digit-7`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from digit_image import row

from bridge import (
    Body,
    Context,
    ObjectRef,
    ObjectStore,
    ObjectStoreOptions,
    Rejected,
    notified_object,
)

#: An object has come to be. `s3:ObjectCreated:*` tells of its tags and retention too.
CREATED = (
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
)


class ImageTransformer:
    """Reads images of digits from *bucket* of *store*, and from no other bucket.

    *size*, *scale*, *max_pixels* and *invert* are those of `digit_image.row`: by default the
    form of scikit-learn's digits. TensorFlow's MNIST model takes `size: [28, 28]`, `scale: 1`.
    """

    def __init__(
        self,
        *,
        store: dict[str, Any],
        bucket: str = "mnist",
        size: Sequence[int] = (8, 8),
        scale: float = 16.0,
        max_pixels: int = 16_000_000,
        invert: bool | None = None,
    ) -> None:
        width, height = size
        self._store = ObjectStore(ObjectStoreOptions(**store))
        self._bucket = bucket
        self._row = partial(
            row,
            size=(int(width), int(height)),
            scale=float(scale),
            max_pixels=int(max_pixels),
            invert=invert,
        )
        # One image is unpacked at a time, so the memory of one is all that they take together.
        self._unpacking = ThreadPoolExecutor(1, thread_name_prefix="unpacking")

    async def load(self) -> None:
        await self._store.__aenter__()

    async def close(self) -> None:
        self._unpacking.shutdown(wait=False, cancel_futures=True)
        await self._store.__aexit__(None, None, None)

    async def ping(self) -> None:
        await self._store.ping()

    async def preprocess(self, payload: Body, ctx: Context) -> dict[str, Any] | None:
        """Return the image as the one instance to predict; None where none came to be.

        Raise Filtered where the object is gone or another by now, Unavailable where the store is,
        and Rejected for another bucket and for what is no image.
        """
        told = notified_object(payload)
        if told.event_name not in CREATED:
            return None
        if told.bucket != self._bucket:
            raise Rejected(f"bucket '{told.bucket}': expected '{self._bucket}'")
        asked = ObjectRef(bucket=told.bucket, key=told.key, version=told.version, etag=told.etag)
        found = await self._store.get(asked)
        loop = asyncio.get_running_loop()
        try:
            instance = await loop.run_in_executor(self._unpacking, self._row, found.data)
        except ValueError as error:
            raise Rejected(f"{told.bucket}/{told.key}: {error}") from error
        ctx.state["image"] = found.head.ref
        return {"instances": [instance]}

    def postprocess(self, payload: Body, ctx: Context) -> dict[str, Any]:
        """Return the digit found, and in which version of which object; Rejected if none is."""
        digit, probability = _digit(payload.json())
        image: ObjectRef = ctx.state["image"]
        return {
            "digit": digit,
            "probability": probability,
            "bucket": image.bucket,
            "key": image.key,
            "version": image.version,
            "etag": image.etag,
        }


def _digit(answer: Any) -> tuple[int, float | None]:
    """Return the digit in the model's *answer*, and how likely it is if the model says so.

    Two forms are read: `{"classes": 7, "probabilities": […]}`, and the bare probabilities.
    """
    try:
        (prediction,) = answer["predictions"]
        if isinstance(prediction, list):
            prediction = {"classes": prediction.index(max(prediction)), "probabilities": prediction}
        digit, probabilities = prediction["classes"], prediction.get("probabilities")
        if type(digit) is not int or not 0 <= digit <= 9:
            raise TypeError(f"{digit!r} is no digit")
        return digit, None if probabilities is None else float(probabilities[digit])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Rejected(
            "the model's answer has no digit: expected one prediction, "
            f'{{"classes": 7, "probabilities": […]}} or the probabilities ({error!r})'
        ) from error

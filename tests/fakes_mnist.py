"""What the tests of examples/mnist share: its modules, and digits drawn in every form.

The modules of the example find each other because their folder is on the path, as it is when the
bridge has loaded a transformer from it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
MNIST = ROOT / "examples" / "mnist"

if str(MNIST) not in sys.path:
    sys.path.append(str(MNIST))

import digit_image  # noqa: E402  # found by the line above
import digits_server  # noqa: E402
import make_images  # noqa: E402

__all__ = ["MNIST", "ROOT", "digit_image", "digits_server", "make_images", "notification", "saved"]


def saved(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    """Return *image* as a file."""
    written = io.BytesIO()
    image.save(written, form, **how)
    return written.getvalue()


def notification(
    key: str = "0.png",
    *,
    bucket: str = "mnist",
    name: str = "s3:ObjectCreated:Put",
    etag: str = "ebed21f6f77b0a64673a3c96b0c623ba",
    version: str | None = None,
) -> dict[str, Any]:
    """Return what MinIO tells of one object; *key* as it stands there, encoded."""
    item: dict[str, Any] = {"key": key, "size": 324, "eTag": etag, "sequencer": "15D808BF706E0994"}
    if version is not None:
        item["versionId"] = version
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": "2019-11-17T19:08:08Z",
        "eventName": name,
        "responseElements": {"x-amz-request-id": "15D808BF706E0994"},
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": item},
    }
    return {"EventName": name, "Key": f"{bucket}/{key}", "Records": [record]}

"""Images of digits into the bucket whose notifications the bridge takes.

    MINIO_URL=… MINIO_ACCESS_KEY=… MINIO_SECRET_KEY=… python put_images.py --count 50

The same images as `make_images.py` writes into a folder. Putting them again overwrites them, and is
news to the bridge again.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from make_images import images

from bridge import ObjectStore, ObjectStoreOptions


async def put(count: int, bucket: str) -> None:
    """Return when the store has *count* images in *bucket*."""
    options = ObjectStoreOptions(
        url=os.environ["MINIO_URL"],
        access_key=os.environ["MINIO_ACCESS_KEY"],
        secret_key=os.environ["MINIO_SECRET_KEY"],
    )
    async with ObjectStore(options) as store:
        for image in images(count):
            await store.put(bucket, image.name, image.data, content_type=image.content_type)
            print(f"{bucket}/{image.name}: a {image.digit}, {len(image.data)} bytes", flush=True)


def main() -> None:
    """Put them."""
    parser = argparse.ArgumentParser(description="Put images of digits into a bucket.")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--bucket", default="mnist")
    told = parser.parse_args()
    asyncio.run(put(told.count, told.bucket))


if __name__ == "__main__":
    main()

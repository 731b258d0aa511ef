"""ImageTransformer for bridge_test.yaml, where there is no store: its objects are files here.

Everything else is the real one: bridge.yaml takes this module with `TRANSFORMER=from_folder`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ImageTransformer as example  # noqa: N813  # the module, and the class in it

from bridge import Filtered, ObjectRef
from bridge.transports.objects import ObjectHead, StoredObject


class ImageTransformer(example.ImageTransformer):
    """Finds the object `0.png` of any bucket in the file images/0.png, whatever version is told."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._store: Any = _Folder(Path(__file__).parent / "images")


class _Folder:
    """What ImageTransformer needs of an ObjectStore."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> _Folder:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def ping(self) -> None:
        pass

    async def get(self, ref: ObjectRef) -> StoredObject:
        file = self._folder / Path(ref.key).name
        if not file.is_file():
            raise Filtered(f"{ref.bucket}/{ref.key}: no object", reason="gone")
        data = file.read_bytes()
        return StoredObject(head=ObjectHead(ref=ref, size=len(data)), data=data)

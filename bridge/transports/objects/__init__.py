"""Objects of S3 stores. Only this room touches the `minio` package's signer.

ObjectRef ─▶ ObjectStore ─▶ StoredObject        Told by a notification: bridge.codecs.notification
"""

from bridge.transports.objects.port import (
    BucketMissing,
    Listed,
    ObjectHead,
    ObjectRef,
    Page,
    StoredObject,
)
from bridge.transports.objects.store import ObjectStore

__all__ = [
    "BucketMissing",
    "Listed",
    "ObjectHead",
    "ObjectRef",
    "ObjectStore",
    "Page",
    "StoredObject",
]

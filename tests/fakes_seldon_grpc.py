"""A model served over Seldon's gRPC as its wrapper serves one: every error of it is UNKNOWN."""

from __future__ import annotations

from typing import Any

import grpc

from bridge.core.errors import EventError, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Model, Request
from bridge.protocols.proto import message
from bridge.protocols.seldon_proto import MESSAGE, to_json, to_message
from bridge.protocols.written import dumps
from tests.fakes_grpc import Answer, Asked


def answering(model: Model) -> Answer:
    """Return what answers each call with what *model* says to its message."""

    async def answer(asked: Asked) -> bytes:
        if asked.method.endswith("ModelMetadata"):
            return b""
        said = to_json(message(MESSAGE).FromString(asked.message))
        request = Request(payload=Body(dumps(said)), id=asked.metadata["seldon-puid"])
        try:
            answered: Any = to_message((await model.predict(request)).json())
        except EventError as error:
            await asked.context.abort(
                grpc.StatusCode.UNKNOWN, f"Exception calling application: {error}"
            )
        except Unavailable as error:
            await asked.context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return bytes(answered.SerializeToString())

    return answer

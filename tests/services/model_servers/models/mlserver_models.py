"""The models as MLServer wants them: a custom runtime each, named in its model-settings.json."""

from __future__ import annotations

import datatypes
import iris
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, ResponseOutput


class _Model(MLModel):
    """Says what it takes and gives; `answer` gives the outputs."""

    async def load(self) -> bool:
        self.inputs, self.outputs = (
            [MetadataTensor(**tensor) for tensor in tensors]
            for tensors in datatypes.TENSORS[self.name]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=self.answer(payload))

    def answer(self, payload: InferenceRequest) -> list[ResponseOutput]:
        """Return the outputs for *payload*."""
        raise NotImplementedError


class Iris(_Model):
    def answer(self, payload: InferenceRequest) -> list[ResponseOutput]:
        (measures,) = payload.inputs
        found = iris.probabilities(NumpyCodec.decode_input(measures))
        return [NumpyCodec.encode_output("probabilities", found)]


class Echo(_Model):
    """Its values are never an array: what came goes back."""

    def answer(self, payload: InferenceRequest) -> list[ResponseOutput]:
        return [
            ResponseOutput(
                name=datatypes.echoed(one.name),
                shape=one.shape,
                datatype=one.datatype,
                data=one.data,
            )
            for one in payload.inputs
        ]


class Broken(_Model):
    def answer(self, payload: InferenceRequest) -> list[ResponseOutput]:
        raise RuntimeError(datatypes.BROKEN)

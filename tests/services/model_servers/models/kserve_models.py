"""The models as KServe wants them, and its server with them."""

from __future__ import annotations

from typing import Any

import datatypes
import iris
import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class _Model(Model):
    """Says what it takes and gives; `answer` is given arrays by name, as V1 gives `instances`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        return datatypes.TENSORS[self.name][0]

    def get_output_types(self) -> list[dict[str, Any]]:
        return datatypes.TENSORS[self.name][1]

    def predict(self, payload: Any, headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            (answer,) = self.answer({"instances": np.asarray(payload["instances"])}).values()
            return {"predictions": answer.tolist()}
        outputs = []
        arrays = self.answer({one.name: one.as_numpy() for one in payload.inputs})
        for (name, array), one in zip(arrays.items(), payload.inputs, strict=True):
            datatype = "FP32" if name == "probabilities" else one.datatype
            output = InferOutput(name, list(array.shape), datatype)
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return InferResponse(
            payload.id,
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def answer(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs for *arrays*."""
        raise NotImplementedError


class _Iris(_Model):
    def answer(self, arrays: dict[str, Any]) -> dict[str, Any]:
        (measures,) = arrays.values()
        return {"probabilities": iris.probabilities(measures)}


class _Echo(_Model):
    def answer(self, arrays: dict[str, Any]) -> dict[str, Any]:
        if "instances" in arrays:
            return arrays
        return {datatypes.echoed(name): array for name, array in arrays.items()}


class _Broken(_Model):
    def answer(self, arrays: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError(datatypes.BROKEN)


if __name__ == "__main__":
    ModelServer().start([_Iris("iris"), _Echo("echo"), _Broken("broken")])

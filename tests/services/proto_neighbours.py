"""Runs in the environment of a model server: its packages and our messages in one process.

    python proto_neighbours.py fields MODULE …           what their messages are
    python proto_neighbours.py ask ROOT LIBRARIES MODULE …  a call of ours, beside theirs

*ROOT* is this repository, *LIBRARIES* where the packages of ours are that they have not;
theirs come first. Prints JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

#: Of each protocol, what a server's messages are compared for.
PREFIXES = ("seldon.protos.", "tensorflow.", "inference.")


def fields(modules):  # types would need a Python of ours
    """Return message → field → number, type, label of all that *modules* registered."""
    found = {}

    def note(message):
        if message.full_name.startswith(PREFIXES) and not message.GetOptions().map_entry:
            found[message.full_name] = {
                field.name: [
                    field.number,
                    field.type,
                    field.message_type.full_name if field.message_type else "",
                    field.containing_oneof.name if field.containing_oneof else "",
                ]
                for field in message.fields
            }
        for nested in message.nested_types:
            note(nested)

    for name in modules:
        module = importlib.import_module(name)
        if hasattr(module, "DESCRIPTOR"):
            for message in module.DESCRIPTOR.message_types_by_name.values():
                note(message)
    return found


async def ask(modules):
    """Return what a model of each protocol answers here, over gRPC, beside *modules*."""
    for name in modules:
        importlib.import_module(name)
    import google.protobuf

    from bridge.core.payload import Body
    from bridge.core.ports import Request
    from bridge.models.grpc import GrpcModel, GrpcModelOptions
    from bridge.protocols.proto import message
    from tests.fakes_grpc import FakeGrpcServer, echo

    async def infer(asked):
        said = message("inference.ModelInferRequest").FromString(asked.message)
        answer = message("inference.ModelInferResponse")(
            raw_output_contents=said.raw_input_contents
        )
        answer.outputs.add(name="y", datatype="FP32", shape=said.inputs[0].shape)
        return answer.SerializeToString()

    async def predict(asked):
        said = message("tensorflow.serving.PredictRequest").FromString(asked.message)
        answer = message("tensorflow.serving.PredictResponse")()
        answer.outputs["y"].CopyFrom(said.inputs["x"])
        return answer.SerializeToString()

    answers = {
        "/seldon.protos.Seldon/Predict": echo,
        "/inference.GRPCInferenceService/ModelInfer": infer,
        "/tensorflow.serving.PredictionService/Predict": predict,
    }
    found = {"protobuf": google.protobuf.__version__}
    payload = Body(b'{"data":{"ndarray":[[1.5,2.5]]}}')
    async with FakeGrpcServer(answers) as server:
        for protocol in ("seldon", "oip", "tensorflow"):
            mapped = {} if protocol == "seldon" else {"inputs": {"x": {"datatype": "FP32"}}}
            options = GrpcModelOptions.model_validate(
                {"target": server.target, "protocol": protocol, "name": "m", "form": "seldon"}
                | mapped
            )
            async with GrpcModel(options) as model:
                answer = await model.predict(Request(payload=payload, id="p-1"))
            found[protocol] = answer.json()["data"]["ndarray"]
    return found


if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules have names of their own
    if sys.argv[1] == "fields":
        print(json.dumps(fields(sys.argv[2:])))
    else:
        sys.path += sys.argv[2:4]
        print(json.dumps(asyncio.run(ask(sys.argv[4:]))))

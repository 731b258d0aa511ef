"""Whether a file and a model mean the same tensors: names, datatypes, shapes.

inputs, outputs of the file ──┐
the model's own metadata  ────┴─▶ what differs, in words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.config.problems import did_you_mean
from bridge.models.asking import AskingOptions, TensorOptions
from bridge.protocols.port import Metadata, Spec


def disagreements(options: AskingOptions, told: Metadata) -> list[str]:
    """Return what *options* say that the model's metadata *told* does not bear out.

    What either of them leaves open is no disagreement.
    """
    found = []
    if options.version is not None and told.versions and options.version not in told.versions:
        there = ", ".join(told.versions)
        found.append(f"version {options.version}: the model has {there}")
    if told.inputs and options.inputs:
        found += _inputs(options.inputs, told.inputs)
    if told.outputs and options.outputs:
        found += _outputs(options.outputs, told.outputs)
    return found


def _inputs(wanted: Mapping[str, TensorOptions], specs: Sequence[Spec]) -> list[str]:
    """Return what is wrong with the tensors that the model would be given."""
    known = {spec.name: spec for spec in specs}
    found = []
    for name, options in wanted.items():
        if name not in known:
            found.append(f"inputs.{name}: the model has no such input{_nearest(name, known)}")
            continue
        found += _differs(f"inputs.{name}", options, known[name])
    missing = [repr(name) for name in known if name not in wanted]
    if missing:
        found.append(f"inputs: the model takes {', '.join(missing)} as well")
    return found


def _outputs(wanted: Mapping[str, TensorOptions], specs: Sequence[Spec]) -> list[str]:
    known = {spec.name: spec for spec in specs}
    found = []
    for name, options in wanted.items():
        source = options.from_ or (name if name in known or len(known) > 1 else next(iter(known)))
        if source not in known:
            found.append(
                f"outputs.{name}: the model has no output {source!r}{_nearest(source, known)}"
            )
    return found


def _differs(where: str, options: TensorOptions, spec: Spec) -> list[str]:
    found = []
    if options.datatype is not None and spec.datatype not in (None, options.datatype):
        found.append(f"{where}: {options.datatype}, where the model takes {spec.datatype}")
    if options.shape is not None and spec.shape is not None:
        pairs = list(zip(options.shape, spec.shape, strict=False))
        unlike = any(-1 not in pair and pair[0] != pair[1] for pair in pairs)
        if len(options.shape) != len(spec.shape) or unlike:
            found.append(
                f"{where}: shape {list(options.shape)}, where the model takes {list(spec.shape)}"
            )
    return found


def _nearest(name: str, known: Mapping[str, Spec]) -> str:
    return did_you_mean(name, sorted(known))

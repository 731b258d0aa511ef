"""The forms of payloads by name, each imported when a file needs it."""

from __future__ import annotations

from bridge.protocols.port import Form, FormName, NonFinite


def form_called(name: FormName, *, non_finite: NonFinite = "null") -> Form:
    """Return the form called *name*, which writes NaN and infinity as *non_finite* says."""
    if name == "seldon":
        from bridge.protocols.seldon_tensors import SeldonForm

        return SeldonForm(non_finite=non_finite)
    if name == "oip":
        from bridge.protocols.oip import OipForm

        return OipForm(non_finite=non_finite)
    from bridge.protocols.tensorflow import TensorflowForm

    return TensorflowForm(non_finite=non_finite, rows_only=name == "kserve")

"""`bridge new NAME`: a folder that runs: a file, a transformer, a model, an event, tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

#: What the folder holds; `NAME` is the pipeline's own name.
FILES = {
    "bridge.yaml": """\
# A CloudEvent over HTTP in, two Python classes beside this file, a response event back.
# Every option: bridge options
pipelines:
  "NAME":
    source: {type: http}
    filter: {attributes: {type: "NAME.request"}}
    transformer: {type: "transformer:Transformer"}
    model: {type: local, model: "model:Model"}
    response: {type: "NAME.response", source: "NAME"}
""",
    "bridge_test.yaml": """\
# The tests of bridge.yaml: bridge test NAME/bridge.yaml
tests:
  - name: an event comes back doubled, by the model itself
    event: {file: event.json}
    expect:
      reply:
        attributes: {type: "NAME.response", source: "NAME"}
        data: {rows: 1, predictions: [[2, 4, 6, 8]]}

  - name: the transformer asks the model for every row, and counts them
    event: {file: event.json, data: {instances: [[1, 2], [3, 4]]}}
    model:
      asked:
        - data: {data: {ndarray: [[1, 2], [3, 4]]}}
      answers:
        - data: {data: {ndarray: [[0.5], [0.7]]}}
    expect:
      reply:
        data: {rows: 2, predictions: [[0.5], [0.7]]}

  - name: an event without instances is refused for good
    event: {file: event.json, data: {}}
    expect:
      refused: {reason: transform, text: Transformer.preprocess}
""",
    "transformer.py": '''\
"""What happens to a payload before and after the model."""


class Transformer:
    def preprocess(self, payload, ctx):
        """Return what the model gets; None: nothing to say, the event counts as filtered."""
        rows = payload.json()["instances"]
        ctx.state["rows"] = len(rows)
        return {"data": {"ndarray": rows}}

    def postprocess(self, payload, ctx):
        """Return what the response event carries; `ctx.state` is this event's own."""
        return {"rows": ctx.state["rows"], "predictions": payload.json()["data"]["ndarray"]}
''',
    "model.py": '''\
"""The model: any class with `predict(X, names)`. X is a numpy array."""


class Model:
    def load(self):
        """Called once at the start: read weights here."""
        self.factor = 2.0

    def predict(self, X, names):
        return X * self.factor
''',
    "event.json": """\
{
  "specversion": "1.0",
  "id": "1",
  "source": "NAME.example",
  "type": "NAME.request",
  "datacontenttype": "application/json",
  "data": {"instances": [[1, 2, 3, 4]]}
}
""",
    "test_transformer.py": '''\
"""The transformer alone: `pip install pytest`, then `python -m pytest` in this folder."""

from transformer import Transformer

from bridge import Body, Context


def test_the_response_says_how_many_rows_came():
    """What preprocess leaves in the event's state, postprocess finds."""
    ctx = Context(id="1", attributes={})
    transformer = Transformer()

    asked = transformer.preprocess(Body(b'{"instances": [[1, 2], [3, 4]]}'), ctx)
    answer = transformer.postprocess(Body.of(asked), ctx)

    assert {"rows": 2, "predictions": [[1, 2], [3, 4]]} == answer
''',
    "README.md": """\
# NAME

From the folder around this one:

```
bridge check NAME/bridge.yaml
bridge test NAME/bridge.yaml
bridge try NAME/bridge.yaml NAME/event.json
bridge run NAME/bridge.yaml
```

The last one serves until Ctrl-C; while it does, from another terminal:

```
bridge send http://127.0.0.1:8080 --file NAME/event.json --wait
```
""",
}

#: A DNS label, as every pipeline's name is.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def new(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the pipeline and of its folder.", metavar="NAME", show_default=False
        ),
    ],
    folder: Annotated[
        Path, typer.Option(help="Folder to make it in.", show_default="this one")
    ] = Path(),
) -> None:
    """Write a folder NAME with a pipeline that runs, to change from there."""
    from bridge.core.errors import ConfigError

    if not _NAME.fullmatch(name):
        raise ConfigError(f"name '{name}': expected up to 63 of a-z, 0-9 and '-', none at an end")
    target = folder / name
    try:
        target.mkdir(parents=True)
        for file, text in FILES.items():
            (target / file).write_text(text.replace("NAME", name), encoding="utf-8")
            print(target / file)
    except FileExistsError as error:
        raise ConfigError(f"{target}: is there already: expected a new name") from error
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    print(f"\nnext: bridge try {target}/bridge.yaml {target}/event.json")

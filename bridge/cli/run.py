"""`bridge run FILE`: the pipelines of a file, until a signal.

Instead of a file, the names of the environment that Seldon's Kafka server knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bridge.app import App

File = Annotated[
    Path, typer.Argument(help="The configuration file.", metavar="FILE", show_default=False)
]


def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="The configuration file.", metavar="FILE", show_default=False),
    ] = None,
    seldon_kafka_env: Annotated[
        bool,
        typer.Option(
            "--seldon-kafka-env",
            help="Instead of FILE: topics and brokers by KAFKA_INPUT_TOPIC and the other "
            "variables that Seldon's executor knows with `serverType: kafka`.",
        ),
    ] = False,
    model_url: Annotated[
        str | None,
        typer.Option(help="With --seldon-kafka-env: where the model is, instead of MODEL_URL."),
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(
            help="With --seldon-kafka-env: port of probes and metrics, 8081 if not given; "
            "0 picks a free one.",
            min=0,
            max=65535,
        ),
    ] = None,
) -> None:
    """Run the pipelines of FILE until SIGTERM or SIGINT, then drain and leave.

    Everything that `bridge check` refuses is refused here too, all at once and with exit
    status 2; so is a port that is taken. A far end that does not answer yet is a warning.
    Exit status at the end: 0 all that was taken in is settled, 1 some of it was given back, a
    second signal came, or a source crashed.
    """
    from bridge import app
    from bridge.cli.process import serve

    if (file is None) != seldon_kafka_env:
        raise typer.BadParameter("expected either FILE or --seldon-kafka-env")
    if file is not None:
        if model_url is not None or admin_port is not None:
            raise typer.BadParameter(
                "--model-url and --admin-port go with --seldon-kafka-env: a FILE says both itself"
            )
        serve(lambda environ: app.load(file, environ, listening=True))
    else:
        serve(lambda environ: _seldon_kafka(environ, model_url, admin_port))


def _seldon_kafka(environ: Mapping[str, str], model_url: str | None, admin_port: int | None) -> App:
    """Return the application that the variables of Seldon's Kafka server describe."""
    from bridge.app import presets
    from bridge.app.seldon_environment import seldon_kafka
    from bridge.config.pipeline import AdminOptions

    port = AdminOptions().port if admin_port is None else admin_port
    found = seldon_kafka(environ, model_url=model_url, admin_port=port)
    app = presets.load(
        "--seldon-kafka-env",
        dict(found.tree),
        Path.cwd(),
        {"NAMESPACE": found.namespace},
        listening=True,
    )
    return replace(app, warnings=(*found.warnings, *app.warnings))

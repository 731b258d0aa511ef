"""The YAML of the docs is what it says: manifests a cluster takes, files the bridge runs.

docs/deploying.md names folders, images, targets and commands; each is there.
"""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trustme
import yaml
from typer.main import get_command

from bridge import app
from bridge.app import reference
from bridge.cli import app as commands
from tests.manifests import (
    ROOT,
    Manifest,
    ManifestError,
    blocks,
    parsed,
    read,
    shown,
    validate,
)

DOCS = ROOT / "docs"
PAGE = (DOCS / "deploying.md").read_text()
KNATIVE = ROOT / "deploy" / "knative"

#: Where the page mounts what is secret, and what it mounts there.
MOUNTED = {
    "/etc/bridge-tls": ("tls.crt", "tls.key"),
    "/etc/bridge-tokens": ("model",),
    "/var/run/bridge-issuer": ("token", "ca.crt"),
}


#: Every manifest and patch of the docs, and every file for the bridge.
SHOWN = [manifest for page in sorted(DOCS.glob("*.md")) for manifest in shown(page)]
PIPELINE_FILES = [
    pytest.param(page.name, text, id=f"{page.name}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, text in enumerate(blocks(page.read_text(), "yaml"))
    if re.search("^pipelines:", text, re.MULTILINE)
]


def files() -> dict[str, str]:
    """Return the files that the page shows, by the name in their first line."""
    named = ((re.match(r"# (\S+/\S+)\n", block), block) for block in blocks(PAGE, "yaml"))
    return {name[1]: block for name, block in named if name}


def words(command: str) -> list[list[str]]:
    """Return every line of the page's shell blocks that starts with *command*, in words."""
    return [
        shlex.split(line)
        for block in blocks(PAGE, "sh")
        for line in block.splitlines()
        if line.startswith(f"{command} ")
    ]


@pytest.mark.parametrize("manifest", SHOWN, ids=str)
def test_every_manifest_in_the_docs_is_valid(manifest: Manifest) -> None:
    """Whole ones, and patches as far as they go: nothing unknown, nothing of the wrong type."""
    validate(manifest, partial=manifest.document in patches())


@pytest.mark.parametrize(("page", "text"), PIPELINE_FILES)
def test_every_pipeline_file_in_the_docs_has_options_that_there_are(page: str, text: str) -> None:
    """Its names, types and kinds are those of `bridge schema`."""
    checked = jsonschema.Draft202012Validator(reference.json_schema())

    assert [error.message for error in checked.iter_errors(yaml.safe_load(text))] == []


def patches() -> list[dict[str, Any]]:
    """Return the documents of the page that are patches of its overlay."""
    return parsed(files()["my-bridge/secured.yaml"])


def test_a_misspelt_patch_of_the_docs_is_caught() -> None:
    """The check can fail."""
    (deployment, _) = patches()
    deployment["spec"]["template"]["spec"]["volums"] = []

    with pytest.raises(ManifestError, match="volums"):
        validate(Manifest(file=DOCS / "x", index=0, document=deployment), partial=True)


def test_the_page_shows_an_overlay_with_all_its_files() -> None:
    """The kustomization, and each file that it names."""
    overlay = parsed(files()["my-bridge/kustomization.yaml"])[0]
    (base,) = overlay["resources"]
    named = {
        *(
            name
            for generator in overlay["configMapGenerator"]
            for name in generator.get("files", ())
        ),
        *(patch["path"] for patch in overlay["patches"] if "path" in patch),
    }

    assert {f"my-bridge/{name}" for name in (*named, "kustomization.yaml")} == set(files())
    assert (ROOT / base.removeprefix("../") / "kustomization.yaml").exists()
    known = {
        image["newName"]
        for image in read(KNATIVE / "image" / "kustomization.yaml")[0].document["images"]
    }
    assert {image["name"] for image in overlay["images"]} <= known


def test_the_secured_file_is_fit_to_run(tmp_path: Path) -> None:
    """`bridge check` takes the page's file, with the certificates and tokens it names."""
    text = files()["my-bridge/bridge.yaml"]
    authority = trustme.CA()
    certificate = authority.issue_cert("iris-bridge.default.svc.cluster.local")
    for folder, names in MOUNTED.items():
        place = tmp_path / folder.strip("/").replace("/", "-")
        place.mkdir()
        for name in names:
            (place / name).write_text("a-token")
        text = text.replace(folder, str(place))
    tls = tmp_path / "etc-bridge-tls"
    certificate.private_key_pem.write_to_path(tls / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tls / "tls.crt")
    authority.cert_pem.write_to_path(tmp_path / "var-run-bridge-issuer" / "ca.crt")
    file = tmp_path / "bridge.yaml"
    file.write_text(text)

    loaded = app.load(file, {"MODEL_URL": "http://model"})

    assert list(loaded.lines) == ["simple-iris-deployment"]


def test_what_the_file_reads_is_what_the_patch_mounts() -> None:
    """Every path of the file is in a folder that the pod has, from a volume that is there."""
    pod = patches()[0]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    paths = re.findall(r"_file: (/[^,}\s]+)", files()["my-bridge/bridge.yaml"])

    assert set(mounts) == set(MOUNTED) == {str(Path(path).parent) for path in paths}
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    assert all(Path(path).name in MOUNTED[str(Path(path).parent)] for path in paths)


def test_the_trigger_asks_for_what_the_listener_checks() -> None:
    """The subscriber's audience is the one that tokens must be for, on the port with TLS."""
    overlay = parsed(files()["my-bridge/kustomization.yaml"])[0]
    file = parsed(files()["my-bridge/bridge.yaml"])[0]
    patch = next(patch for patch in overlay["patches"] if "patch" in patch)["patch"]
    source = file["pipelines"]["simple-iris-deployment"]["source"]
    (port,) = patches()[1]["spec"]["ports"]

    assert f"audience: {source['auth']['oidc']['audience']}" in patch
    assert "https://iris-bridge." in patch
    assert (port["port"], port["targetPort"]) == (443, "http")


def test_every_folder_and_file_that_is_named_is_there() -> None:
    """In the table, in commands and in the text."""
    named = set(re.findall(r"\b(?:deploy|tests|docs)/[\w./-]*[\w]", PAGE))

    assert len(named) > 8
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_kustomization_is_in_the_table() -> None:
    """A folder that an operator can apply is one that the page explains."""
    folders = {file.parent.name for file in KNATIVE.rglob("kustomization.yaml")}

    assert set(re.findall(r"^\| `deploy/knative/([\w-]+)` \|", PAGE, re.MULTILINE)) == folders
    for line in words("kubectl"):
        for flag, folder in itertools.pairwise(line):
            assert flag != "-k" or (ROOT / folder / "kustomization.yaml").exists()


def test_the_images_are_built_loaded_and_used_by_the_same_names() -> None:
    """What is built is what the manifests name, from targets that the Dockerfile has."""
    images = {
        f"{image['newName']}:{image['newTag']}"
        for image in read(KNATIVE / "image" / "kustomization.yaml")[0].document["images"]
    }
    built = {
        line[line.index("-t") + 1]: line[line.index("--target") + 1]
        for line in words("docker build")
    }
    (load,) = words("kind load")
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert set(built) == images == {word for word in load if ":" in word}
    for target in built.values():
        assert re.search(rf"^FROM \S+ AS {target}$", dockerfile, re.MULTILINE)


def test_the_events_are_sent_by_a_command_there_is() -> None:
    """`bridge send` takes the page's arguments, and the pipeline its type."""
    sent = [line[line.index("--") + 1 :] for line in words("kubectl run")]

    assert len(sent) == 2
    for command, *arguments in sent:
        context = get_command(commands).commands[command].make_context(command, arguments)

        assert context.params["type"] == "seldon.simple-iris-deployment.request"

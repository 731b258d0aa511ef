"""What a kustomization brings together, read from its files, without kustomize.

    kustomization.yaml ─▶ resources, components (folders too) ─▶ manifests
                     └──▶ generators, images, patches ─────────▶ as they stand there

Nothing is applied: names, images and patches are as written. What kustomize makes of it is
seen in tests/integration/test_deploy_admission.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.manifests import Manifest, read


@dataclass(frozen=True, slots=True)
class Stack:
    """What one kustomization brings together, before kustomize changes a thing."""

    manifests: list[Manifest] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    generated: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    patches: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Manifest]:
        """Return the manifests of *kinds*, each `apiVersion kind`."""
        return [manifest for manifest in self.manifests if " ".join(manifest.kind) in kinds]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """Return the one document called *name*."""
        (found,) = [manifest.document for manifest in self.of(kind) if manifest.name == name]
        return found


def collected(folder: Path, stack: Stack | None = None) -> Stack:
    """Return everything that the kustomization in *folder* names, folders in it included."""
    stack = stack or Stack()
    file = folder / "kustomization.yaml"
    (kustomization,) = read(file)
    stack.files.add(file)
    document = kustomization.document
    for name in [*document.get("resources", ()), *document.get("components", ())]:
        path = (folder / name).resolve()
        if path.is_dir():
            collected(path, stack)
        else:
            stack.files.add(path)
            stack.manifests.extend(read(path))
    stack.files.update((folder / name).resolve() for name in document.get("configurations", ()))
    for generator in document.get("configMapGenerator", ()):
        data = {Path(name).name: (folder / name).read_text() for name in generator.get("files", ())}
        data |= dict(literal.split("=", 1) for literal in generator.get("literals", ()))
        stack.files.update((folder / name).resolve() for name in generator.get("files", ()))
        stack.generated[generator["name"]] = data
    for image in document.get("images", ()):
        stack.images[image["name"]] = f"{image['newName']}:{image['newTag']}"
    stack.patches.extend(document.get("patches", ()))
    return stack

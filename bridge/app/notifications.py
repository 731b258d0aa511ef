"""The notifications of a file, set up at its stores: rules added, changed or taken away.

    file ─▶ entries ─▶ bucket made? ─▶ what it notifies of now ─▶ ours put in ─▶ written back
                                                └▶ nothing to do, where it is there already

A rule is known again by its id, made of what it says. Nobody else's is ever taken away.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import orjson

from bridge.config.file import load as load_document
from bridge.config.notifications import NotificationOptions
from bridge.config.objects import ObjectStoreOptions
from bridge.config.pipeline import FileOptions
from bridge.config.validate import parse
from bridge.core.errors import BridgeError, ConfigError, Rejected
from bridge.core.event import shown
from bridge.transports.objects import BucketMissing, ObjectStore
from bridge.transports.objects.notifications import Configuration, Rule, read, write

#: What the ids of our rules begin with.
OURS: Final = "bridge-"

#: What became of an entry. `present`, `absent`: there was nothing to do.
Outcome = Literal["added", "changed", "present", "removed", "absent", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done for one entry, or would be.

    *replaced*: rules of ours that went. *others*: how many rules of somebody else's stay.
    *known_as*: what somebody else calls a rule that says the same. *error*: why it failed.
    """

    url: str
    bucket: str
    rule: Rule
    outcome: Outcome
    bucket_made: bool = False
    replaced: tuple[Rule, ...] = ()
    others: int = 0
    known_as: str | None = None
    error: str | None = None

    @property
    def has_changed(self) -> bool:
        """Whether anything was, or would be, done."""
        return self.bucket_made or self.outcome in ("added", "changed", "removed")


def entries(file: Path, environ: Mapping[str, str]) -> Sequence[NotificationOptions]:
    """Return the entries of *file*; raise ConfigError where it has none, or is wrong."""
    options = parse(load_document(file, environ), (), FileOptions)
    if not options.notifications:
        raise ConfigError(
            f"{file}: expected a section 'notifications': which buckets, which target"
        )
    return options.notifications


async def set_up(
    entries: Sequence[NotificationOptions], *, remove: bool = False, dry_run: bool = False
) -> AsyncIterator[Done]:
    """Yield what was done for each of *entries*, in their order, or what would be.

    What the store refuses, or an outage, fails one entry; the others are done. *remove* takes
    away what would be set up; buckets stay. Raise ConfigError, before anything is asked, for a
    store that cannot be reached as the file says.
    """
    stores: list[tuple[ObjectStoreOptions, ObjectStore]] = []
    async with AsyncExitStack() as stack:
        for entry in entries:
            if not any(entry.store == known for known, _ in stores):
                stores.append((entry.store, ObjectStore(entry.store)))
        for _, store in stores:
            await stack.enter_async_context(store)
        for entry in entries:
            store = next(store for known, store in stores if known == entry.store)
            try:
                yield await _one(store, entry, remove=remove, dry_run=dry_run)
            except BridgeError as error:
                yield Done(
                    url=entry.store.url,
                    bucket=entry.bucket,
                    rule=rule_of(entry),
                    outcome="failed",
                    error=str(error),
                )


def rule_of(entry: NotificationOptions) -> Rule:
    """Return the rule that *entry* stands for; the same entry always has the same id."""
    said = [entry.target, sorted(entry.events), entry.prefix, entry.suffix]
    digest = hashlib.sha256(orjson.dumps(said)).hexdigest()[:16]
    return Rule(
        target=entry.target,
        events=tuple(entry.events),
        prefix=entry.prefix,
        suffix=entry.suffix,
        id=f"{OURS}{digest}",
    )


async def _one(
    store: ObjectStore, entry: NotificationOptions, *, remove: bool, dry_run: bool
) -> Done:
    wanted, bucket_made = rule_of(entry), False
    try:
        found = await read(store, entry.bucket)
    except BucketMissing as error:
        if not (remove or entry.create_bucket):
            raise Rejected(f"{error}: expected the bucket, or `create_bucket: true`") from error
        found, bucket_made = Configuration.empty(), not remove
        if bucket_made and not dry_run:
            await store.create_bucket(entry.bucket)
    ours = tuple(rule for rule in found.rules if _is_ours(rule, wanted))
    theirs = tuple(rule for rule in found.rules if rule not in ours)
    twin = next((rule for rule in theirs if rule.tells_the_same(wanted)), None)
    outcome: Outcome = _outcome(wanted, ours, twin, remove=remove)
    failure = None
    if outcome in ("added", "changed", "removed") and not dry_run:
        changed = found.changed(without=ours, plus=() if remove else (wanted,))
        try:
            await write(store, entry.bucket, changed)
        except BridgeError as error:
            outcome, failure = "failed", f"{error}{_to_check(str(error), wanted, theirs)}"
    return Done(
        url=entry.store.url,
        bucket=entry.bucket,
        rule=wanted,
        outcome=outcome,
        bucket_made=bucket_made,
        replaced=ours if outcome == "changed" else (),
        others=len(theirs),
        known_as=None if twin is None or outcome not in ("present", "absent") else twin.id,
        error=failure,
    )


def _outcome(
    wanted: Rule, ours: Sequence[Rule], twin: Rule | None, *, remove: bool
) -> Literal["added", "changed", "present", "removed", "absent"]:
    """Return what there is to do for *wanted*, of which *ours* and somebody's *twin* are there."""
    if remove:
        return "removed" if ours else "absent"
    if ours:
        is_there = len(ours) == 1 and ours[0].id == wanted.id and ours[0].tells_the_same(wanted)
        return "present" if is_there else "changed"
    return "added" if twin is None else "present"


def _is_ours(known: Rule, wanted: Rule) -> bool:
    """Whether *known* is what this entry, or an earlier form of it, has set up.

    One whose events were changed has left a rule with another id: for the same target and keys,
    and with some event in common.
    """
    if not known.id.startswith(OURS):
        return False
    return known.id == wanted.id or (known.is_for_the_same(wanted) and known.shares_events(wanted))


def _to_check(refusal: str, wanted: Rule, theirs: Sequence[Rule]) -> str:
    """Return what to look at where the store answered with *refusal*, as more of its text."""
    said = refusal.lower()
    if "overlap" in said:
        rivals = [in_words(rule) for rule in theirs if rule.overlaps(wanted)]
        return f"; wanted: {in_words(wanted)}; there already: {'; '.join(rivals) or 'none such'}"
    parts = wanted.target.split(":")
    if parts[1] != "minio" or "destination" not in said or len(parts) < 6:
        return ""
    name, kind = parts[4], parts[5].upper()
    region = f", in region '{parts[3]}'" if parts[3] else ""
    return (
        f"; check that the store was started with MINIO_NOTIFY_{kind}_ENABLE_{name}=on and the "
        f"other MINIO_NOTIFY_{kind}_…_{name}{region}"
    )


def in_words(rule: Rule) -> str:
    """Return what *rule* says, for people."""
    keys = "all keys"
    if rule.prefix or rule.suffix:
        keys = f"keys {shown(f'{rule.prefix}*{rule.suffix}')}"
    named = f" ({shown(rule.id)})" if rule.id else ""
    return f"{', '.join(rule.events)} of {keys} to {rule.target}{named}"

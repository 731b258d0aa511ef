"""MinIO's webhook target: a notification is answered when its outcome exists, not before.

    POST ─▶ records ─▶ work on each ─▶ 200                    MinIO forgets it
                        └ not within answer_seconds ─▶ 503    MinIO keeps it, where it has a queue
    GET, HEAD ─▶ 200                                          is anybody there?

MinIO sends whatever is not answered 2xx again, before anything else, for ever. So only what is
no notification at all is answered 400; what no event can be made of goes to the dead letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, DecodeError, Overloaded, Unavailable
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.sources.found import Found, of_notification
from bridge.sources.http import TEXT, refusal
from bridge.sources.listener import Listener
from bridge.sources.minio_options import MinioSourceOptions, MinioWebhookOptions
from bridge.sources.sequence import Verdict
from bridge.sources.under_way import UnderWay, Work
from bridge.transports.http import HttpRequest, HttpResponse

SETTLED = HttpResponse(200, (), b"")


#: Is told of each event that is not worked on, and why, in a word and in a sentence.
LeftOut = Callable[[Found, str, str], None]


class MinioWebhook:
    """The endpoint of one source; *under_way* works on what is told, *left_out* hears the rest.

    Its *listener* is opened, run and closed by the source.
    """

    def __init__(
        self,
        options: MinioSourceOptions,
        webhook: MinioWebhookOptions,
        *,
        under_way: UnderWay,
        deliveries: Deliveries,
        left_out: LeftOut,
        ready: Callable[[], bool],
        complaints: Complaints,
        clock: Clock,
    ) -> None:
        self._options = options
        self._webhook = webhook
        self._under_way = under_way
        self._left_out = left_out
        self._ready = ready
        self._complaints = complaints
        self._requests = 0
        self.listener = Listener(
            webhook,
            self._answer,
            name="minio",
            deliveries=deliveries,
            guarded=_posts,
            refuse=lambda error: refusal(error, self.listener),
            complaints=complaints,
            clock=clock,
        )

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if not _posts(request):
            return self._other(request)
        if request.path != self._webhook.path:
            self.listener.turned_away(404, f"path {request.path[:100]}: expected the webhook's")
            return HttpResponse(404, (TEXT,), b"no webhook listens on this path")
        self._requests += 1
        try:
            return await self.listener.booked(self._deliver(request), self._refuse)
        finally:
            self._requests -= 1

    def _refuse(self, error: BridgeError) -> HttpResponse:
        if isinstance(error, (DecodeError, Overloaded)):
            self._complaints.of(error.reason, error)
        return refusal(error, self.listener)

    def _other(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            allow = (b"allow", b"GET, HEAD, POST")
            return HttpResponse(405, (allow, TEXT), b"expected POST with a notification")
        if request.path == "/readyz" and not self._ready():
            return HttpResponse(503, (TEXT,), b"not ready")
        return HttpResponse(200, (TEXT,), b"ok")

    async def _deliver(self, request: HttpRequest) -> HttpResponse:
        """Return when every record of *request* is settled; raise what keeps it from that."""
        if self._under_way.handle is None:
            raise Unavailable("not ready yet")
        if self._requests > self._webhook.max_in_flight:
            raise Overloaded(f"max_in_flight: {self._webhook.max_in_flight} under way already")
        if request.coding:
            request = self.listener.unpacked(request)
        if not request.body.strip():
            return SETTLED
        works: list[Work] = []
        try:
            for found in of_notification(request.body, self._options.region):
                work = self._offered(found)
                if work is not None:
                    work.owners += 1
                    works.append(work)
            await self._settled(works)
        finally:
            for work in works:
                work.disown()
        return SETTLED

    def _offered(self, found: Found) -> Work | None:
        """Return the work on *found*, None where there is nothing to do for it."""
        unwanted = self._unwanted(found)
        if unwanted is not None:
            self._left_out(found, *unwanted)
            return None
        verdict = self._under_way.judge(found)
        if verdict is Verdict.NEW:
            return self._under_way.begin(found)
        work = self._under_way.working_on(found)
        if work is None:
            text = f"{found.bucket}/{found.key}: {_WHY[verdict]}"
            self._left_out(found, verdict.value, text)
        return work

    def _unwanted(self, found: Found) -> tuple[str, str] | None:
        """Return why *found* is none of this source's, in a word and in a sentence."""
        options = self._options
        if found.error is not None:
            return None
        if found.bucket not in options.buckets:
            return "bucket", f"bucket '{found.bucket}': expected one of {options.buckets}"
        if not (found.key.startswith(options.prefix) and found.key.endswith(options.suffix)):
            return "key", f"key '{found.key}': expected {options.prefix}…{options.suffix}"
        if not options.wants(found.name):
            return "event_name", f"'{found.name}' of {found.bucket}: expected {options.events}"
        return None

    async def _settled(self, works: Sequence[Work]) -> None:
        """Return when all *works* are settled; raise Unavailable where they are not in time."""
        if not works:
            return
        tasks = [work.task for work in works]
        await asyncio.wait(tasks, timeout=self._webhook.answer_seconds)
        for work in works:
            if not work.task.done():
                seconds = self._webhook.answer_seconds
                raise Unavailable(f"not settled within {seconds:g} s{_because(work)}")
            if work.task.cancelled():
                raise Unavailable(f"given back{_because(work)}")
            work.task.result()


_WHY = {
    Verdict.KNOWN: "this state of the object is settled already",
    Verdict.SUPERSEDED: "a newer state of the object was taken already",
}


def _because(work: Work) -> str:
    return "" if work.held is None else f": {work.held}"


def _posts(request: HttpRequest) -> bool:
    """Whether *request* may bring a notification: only those need a token, where any do."""
    return request.method == "POST"

"""HTTP/1.1, both ends: the listener and the pooled client of the event path.

HttpServer ─▶ HttpRequest ─▶ answer ─▶ HttpResponse        HttpClient.request ─▶ HttpResponse
"""

from bridge.transports.http.client import HttpClient, PooledHttpClient, http_client
from bridge.transports.http.messages import (
    Headers,
    HttpRequest,
    HttpResponse,
    retry_after_seconds,
)
from bridge.transports.http.server import HttpServer, cannot_listen
from bridge.transports.http.shared import Answer
from bridge.transports.http.tls import client_context, server_context

__all__ = [
    "Answer",
    "Headers",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "PooledHttpClient",
    "cannot_listen",
    "client_context",
    "http_client",
    "retry_after_seconds",
    "server_context",
]

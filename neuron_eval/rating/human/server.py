"""The page's server: an ASGI app that shows each rater their own questions and no others.

A rater is whoever holds the link: its first part is a token, checked on every request. Requests
under a foreign name (DNS rebinding) or from a foreign page are refused before that.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from neuron_eval.messages import visible
from neuron_eval.rating.answer import AnswerError
from neuron_eval.rating.human.desk import Desk, DeskError
from neuron_eval.rating.human.page import page_text, policy, shown_question
from neuron_eval.rating.human.store import Reply

MAX_BODY = 1_000_000
"""Bytes that a request's body may have; handing over a thousand answers takes a tenth."""

Names = Callable[[str], bool]  # whether the server may be called by this host name

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?")
"""A Host header: an IPv6 address in brackets, or a name or another address; and a port."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(desks: Mapping[str, Desk], names: Names) -> Starlette:
    """The app, with each rater's desk by its token; desks may be added while it runs."""

    def route(path: str, method: str, handle: Callable[[Request, Desk], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            _check_origin(request, names)
            desk = _desk(request.path_params["token"], desks)
            try:
                return _response(await handle(request, desk))
            except AnswerError as error:
                raise HTTPException(422, f"This is no answer: {error}.") from error
            except DeskError as error:
                raise HTTPException(409, f"Not possible: {error}.") from error
            except OSError as error:
                text = f"Not saved: {desk.path}: {error.strerror or error}."
                raise HTTPException(500, text) from error

        return Route("/{token}/" + path, endpoint, methods=[method])

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        _check_origin(Request(scope), names)
        raise HTTPException(403, _UNKNOWN)

    # every other path and method is refused like a wrong token, so that nothing can be found out
    routes = [
        route("", "GET", _page),
        route("state", "GET", _state),
        route("question/{key}", "GET", _question),
        route("answer", "POST", _answer),
        route("hand-over", "POST", _hand_over),
        Mount("/", refuse),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _error})
    app.router.default = refuse  # a target that is no path
    return app


def own_names(host: str, wildcard_names: frozenset[str] = frozenset()) -> Names:
    """Which names a server may be called by that listens on a host.

    On all interfaces it may be called by any address, which no foreign page can pass for its own,
    but only by the names given, which are this machine's.
    """
    fixed = {"127.0.0.1", "localhost", "::1", host.lower()}
    if not is_wildcard(host):
        return fixed.__contains__
    return lambda name: name in fixed | wildcard_names or _is_address(name)


def is_wildcard(host: str) -> bool:
    """Whether a host stands for all of a machine's interfaces."""
    return _is_address(host) and ip_address(host).is_unspecified


async def _page(request: Request, desk: Desk) -> Response:
    return HTMLResponse(page_text(), headers={"Content-Security-Policy": policy()})


async def _state(request: Request, desk: Desk) -> dict[str, Any]:
    overview = await run_in_threadpool(desk.overview)
    return {
        "rater": desk.rater,
        "open": overview.open,
        "answered": [
            {"key": key, "title": visible(question.title), **_given(reply)}
            for key, (question, reply) in overview.answered.items()
        ],
        "handed_over": overview.handed_over,
        "seconds_left": overview.seconds_left,
    }


async def _question(request: Request, desk: Desk) -> dict[str, Any]:
    question, reply = await run_in_threadpool(desk.show, request.path_params["key"])
    return {"question": shown_question(question), **_given(reply)}


def _given(reply: Reply | None) -> dict[str, Any]:
    """The answer as the rater gave it, who may change it."""
    return {"answer": reply and reply.answer.to_json(), "at": reply and reply.at}


async def _answer(request: Request, desk: Desk) -> dict[str, Any]:
    body = await _body(request)
    key, replaces = body.get("question"), body.get("replaces")
    if not isinstance(key, str):
        raise HTTPException(400, "The body names no question.")
    if not (replaces is None or isinstance(replaces, str)):
        raise HTTPException(400, "What the answer replaces is no time.")
    at = await run_in_threadpool(desk.answer, key, body.get("answer"), replaces)
    return {"saved": key, "at": at}


async def _hand_over(request: Request, desk: Desk) -> dict[str, Any]:
    listed = (await _body(request)).get("answers")
    if not isinstance(listed, dict) or not all(isinstance(at, str) for at in listed.values()):
        raise HTTPException(400, "The body lists no answers with their times.")
    return {"handed_over": await run_in_threadpool(desk.hand_over, listed)}


_UNKNOWN = (
    "This link is not valid, or belongs to a run that has ended. Open the link that the eval "
    "printed when it started last."
)


def _desk(token: str, desks: Mapping[str, Desk]) -> Desk:
    """The desk that a token opens; takes as long for every wrong token."""
    sent = token.encode(errors="replace")
    opened = [d for known, d in list(desks.items()) if hmac.compare_digest(known.encode(), sent)]
    if not opened:
        raise HTTPException(403, _UNKNOWN)
    return opened[0]


def _check_origin(request: Request, names: Names) -> None:
    """Refuse what was sent under a foreign name or by a foreign page.

    Starlette's TrustedHostMiddleware knows neither origins nor all addresses of a machine.
    """
    hosts = request.headers.getlist("host")
    name = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    if name is None or not names(name[1] or name[2]):
        raise HTTPException(403, "This server is not called that.")
    origins = request.headers.getlist("origin")
    expected = [f"http://{hosts[0]}"]
    if origins != expected and (origins or request.method not in ("GET", "HEAD")):
        raise HTTPException(403, "This request comes from another page.")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, read only as far as it may go."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "The body is not said to be application/json.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise HTTPException(413, f"The body has more than {MAX_BODY} bytes.")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body is no JSON.") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "The body is no JSON object.")
    return body


def _response(result: Any, status: int = 200) -> Response:
    response = result if isinstance(result, Response) else JSONResponse(result, status)
    response.headers.update(_HEADERS)
    return response


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if "text/html" in request.headers.get("accept", ""):
        return _response(PlainTextResponse(error.detail, error.status_code))
    return _response({"error": error.detail}, error.status_code)

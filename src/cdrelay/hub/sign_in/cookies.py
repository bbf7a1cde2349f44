"""Cookies that scripts and other sites do not get at.

Over TLS their names begin with `__Host-`: a browser takes such a cookie from this host alone, so that no neighbour
under the same domain can put one of theirs in its place (RFC 6265bis section 4.1.3). Whether it is TLS is what the
request says, behind a proxy by `X-Forwarded-Proto`.
"""

from fastapi import Request, Response


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Until the browser is closed. Lax: links from other sites keep it, their forms do not."""
    secure = _over_tls(request)
    response.set_cookie(_full_name(request, name), value, path="/", secure=secure, httponly=True, samesite="lax")


def cookie_of(request: Request, name: str) -> str:
    """Its value; nothing when the browser has none."""
    return request.cookies.get(_full_name(request, name), "")


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Have the browser forget it."""
    secure = _over_tls(request)
    response.delete_cookie(_full_name(request, name), path="/", secure=secure, httponly=True, samesite="lax")


def _over_tls(request: Request) -> bool:
    return request.url.scheme == "https"


def _full_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _over_tls(request) else name

"""The HTTP proxy to a server by the environment, for client libraries that do not look there."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from components.core.errors import InputError
from components.core.redaction import redact


def proxy_of_environment(url: str) -> str | None:
    """Returns the proxy that HTTPS_PROXY or HTTP_PROXY names; None for addresses of this machine, and by NO_PROXY.

    As kubectl and other programs in Go do: https://pkg.go.dev/net/http#ProxyFromEnvironment.

    Raises:
        InputError: It is no HTTP proxy.
    """
    from requests.utils import should_bypass_proxies

    address = urlsplit(url)
    if _is_loopback(address.hostname or "") or should_bypass_proxies(url, no_proxy=None):
        return None
    found = getproxies_environment().get(address.scheme)
    return checked_proxy(found, f"{address.scheme.upper()}_PROXY") if found else None


def checked_proxy(url: str, source: str) -> str:
    """Returns the URL of a proxy, "http://" before one that is only HOST:PORT.

    Raises:
        InputError: It is no HTTP proxy.
    """
    url = url if "://" in url else f"http://{url}"
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{source} is '{redact(url)}': expected http://HOST:PORT or https://HOST:PORT")
    return url


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False

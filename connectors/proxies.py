"""The way out of the house: which proxy a platform is reached by."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.errors import SettingsError


def proxy_for(url: str) -> str | None:
    """
    The proxy for *url* as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say, which every program reads alike; None: no proxy.

    Raises: SettingsError if it is of a kind that we cannot use.
    """
    parts = urlsplit(url)
    kind = parts.scheme.replace("ws", "http")  # a websocket begins as a request
    proxy = getproxies().get(kind)
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    if not proxy.startswith("http://"):
        raise SettingsError(f"{kind.upper()}_PROXY has to begin with http://; other kinds of proxies are not served")
    return proxy

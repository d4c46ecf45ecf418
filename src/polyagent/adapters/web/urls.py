"""URLs that somebody supplied: what is one, and whether its host is told to be private."""

import re

import yarl

from polyagent.domain.errors import AddressRefused
from polyagent.domain.network import Allowance, literal

MAX_CHARACTERS = 8192
PRIVATE = (
    "The address is not a public one. An administrator can allow hosts and networks "
    "in the setting tools.allow_private."
)
ODD_HOST = "The host of the address is written in no usual way."

_STRANGE = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_AUTHORITY = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9._-]+", re.IGNORECASE)


def parse(url: str) -> yarl.URL:
    """Read a URL that no two programs understand differently: of http(s), without a login.

    Raises `AddressRefused`.
    """
    authority = _AUTHORITY.match(url)
    if len(url) > MAX_CHARACTERS or authority is None or _STRANGE.search(url):
        raise AddressRefused("Give an address that begins with http:// or https://, as one line.")
    if "@" in authority[1]:
        raise AddressRefused("An address must not hold a user name or a password.")
    try:
        read = yarl.URL(url)
        host = read.raw_host or ""
        is_odd = literal(host) is None and ("[" in authority[1] or not _NAME.fullmatch(host))
    except ValueError as error:
        raise AddressRefused(ODD_HOST) from error
    if is_odd or not read.port:
        raise AddressRefused(ODD_HOST)
    return read


def led_to(url: yarl.URL, location: str) -> yarl.URL:
    """Return where a redirect leads. Raises `AddressRefused`, for the way from https to http too."""
    if _STRANGE.search(location):
        raise AddressRefused("The address redirects to one that is malformed.")
    try:
        there = parse(str(url.join(yarl.URL(location))))
    except ValueError as error:
        raise AddressRefused("The address redirects to one that is malformed.") from error
    if (url.scheme, there.scheme) == ("https", "http"):
        raise AddressRefused("The address redirects from https to http.")
    return there


def require_public(url: yarl.URL, allowance: Allowance) -> None:
    """Raise `AddressRefused` if the host is a private address, or a name that can be nothing else."""
    host = url.raw_host or ""
    if allowance.admits_name(host):
        return
    address = literal(host)
    name = host.lower().removesuffix(".")
    is_local = name == "localhost" or name.endswith(".localhost")
    if is_local or (address is not None and not allowance.admits(address)):
        raise AddressRefused(PRIVATE)

"""The images of a message, as they are kept: their bytes, under the type that they have."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from itertools import accumulate

from polyagent.domain.chat import ImagePart, Part, TextPart
from polyagent.domain.errors import (
    AddressRefused,
    AnswerTooLarge,
    Fault,
    FetchFailed,
    ImageTooLarge,
    ImageUnusable,
)
from polyagent.domain.image import FORMATS, ImageLimits, head_of, media_type, size_of
from polyagent.domain.outbound import MAX_REDIRECTS, Fetch
from polyagent.ports.outbound import Outbound

NOTE = TextPart("[An image was sent here, too long ago to be sent again.]")
ACCEPT = {"Accept": "image/png, image/jpeg, image/webp, image/gif"}


class TakeImages:
    """Fetch what is given by URL, and refuse what is no image or too much of it."""

    def __init__(self, outbound: Outbound, limits: ImageLimits) -> None:
        self._outbound = outbound
        self._limits = limits

    async def __call__(
        self, parts: tuple[Part, ...], at: Sequence[str] | None = None, *, since: int = 0
    ) -> tuple[Part, ...]:
        """Return the parts with every image as checked data; those by URL come side by side.

        `at` are the places of what the parts hold, in the request: by default the fields of `message`.
        What is before `since` was said earlier: the newest of its images are kept as far as the limits
        allow, for the others there is a note.
        Raises `AddressRefused`, `FetchFailed`, `FetchTimedOut`, `ImageTooLarge`, `ImageUnusable`,
        each with the place of the image that it is about.
        """
        images = [(n, part) for n, part in enumerate(parts) if isinstance(part, ImagePart)]
        if not images:
            return parts
        at = at or [f"#/message/{n}/{_field(part)}" for n, part in enumerate(parts)]
        new = [(n, image) for n, image in images if n >= since]
        self._require_few([at[n] for n, _ in new])
        wanted = images[-self._limits.count :] if self._limits.count else []
        found = await self._all([(at[n], image) for n, image in wanted])
        taken = dict(zip([n for n, _ in wanted], found, strict=True))
        self._require_small([(at[n], taken[n]) for n, _ in new])
        kept = dict.fromkeys((n for n, _ in images), NOTE) | self._newest(taken)
        return tuple(kept.get(n, part) for n, part in enumerate(parts))

    def _newest(self, taken: dict[int, ImagePart]) -> dict[int, Part]:
        """Return of images in the order of their keys the last, as many as have room together."""
        newest = sorted(taken.items(), reverse=True)
        sizes = accumulate(size_of(image.data or "") for _, image in newest)
        room = self._limits.total_bytes
        return {n: image for (n, image), size in zip(newest, sizes, strict=True) if size <= room}

    async def _all(self, images: Sequence[tuple[str, ImagePart]]) -> list[ImagePart]:
        """Take them at once: the first failure ends the others."""
        try:
            async with asyncio.TaskGroup() as tasks:
                taking = [tasks.create_task(self._taken(at, image)) for at, image in images]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in taking]

    async def _taken(self, at: str, image: ImagePart) -> ImagePart:
        data = image.data or "" if image.url is None else await self._fetched(image.url, at)
        if size_of(data) > self._limits.bytes_each:
            raise _too_large(at, self._limits.bytes_each)
        kind = media_type(head_of(data))
        if kind is None:
            raise _unusable(at, f"This is no image of a format that is taken: {FORMATS}.")
        return ImagePart(data=data, media_type=kind)

    async def _fetched(self, url: str, pointer: str) -> str:
        ask = Fetch(
            url=url,
            headers=ACCEPT,
            max_bytes=self._limits.bytes_each,
            timeout_s=self._limits.fetch_s,
            redirects=MAX_REDIRECTS,
        )
        try:
            fetched = await self._outbound.fetch(ask)
        except AnswerTooLarge as error:
            raise _too_large(pointer, self._limits.bytes_each) from error
        except (AddressRefused, FetchFailed) as error:
            raise type(error)(error.detail, faults=(Fault(pointer, error.detail),)) from error
        if fetched.status != 200:
            detail = f"The address answered {fetched.status}."
            raise FetchFailed(detail, faults=(Fault(pointer, detail),))
        return b64encode(fetched.body).decode()

    def _require_few(self, at: Sequence[str]) -> None:
        most = self._limits.count
        if len(at) > most:
            raise _unusable(at[most], f"A message takes at most {most} images.")

    def _require_small(self, taken: Sequence[tuple[str, ImagePart]]) -> None:
        most, size = self._limits.total_bytes, 0
        for at, image in taken:
            size += size_of(image.data or "")
            if size > most:
                detail = f"The images of a message have at most {most} bytes together."
                raise ImageTooLarge(detail, faults=(Fault(at, detail),))


def _field(part: Part) -> str:
    return "url" if isinstance(part, ImagePart) and part.url is not None else "data"


def _too_large(pointer: str, most: int) -> ImageTooLarge:
    detail = f"An image has at most {most} bytes."
    return ImageTooLarge(detail, faults=(Fault(pointer, detail),))


def _unusable(pointer: str, detail: str) -> ImageUnusable:
    return ImageUnusable(detail, faults=(Fault(pointer, detail),))

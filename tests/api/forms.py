"""Forms as browsers send them."""

from polyagent.domain.ids import new_id

File = tuple[str, bytes]


def form(*also: tuple[str, str | File], **fields: str | File) -> tuple[bytes, str]:
    """Return the body and its content type; a field of a name and bytes is a file."""
    boundary = f"----form{new_id().hex}"
    parts = [_part(name, value, boundary) for name, value in (*fields.items(), *also)]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"


def _part(name: str, value: str | File, boundary: str) -> bytes:
    told = f'form-data; name="{name}"'
    if isinstance(value, str):
        filename, content = None, value.encode()
    else:
        filename, content = value
        told += f'; filename="{filename}"'
    head = f"--{boundary}\r\nContent-Disposition: {told}\r\n\r\n"
    return head.encode() + content + b"\r\n"

"""Small files of the formats that documents come in."""

import io
import zipfile
from collections.abc import Mapping, Sequence


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in parts.items():
            package.writestr(name, part)
    return content.getvalue()


def words(count: int) -> str:
    return " ".join(f"word{n}" for n in range(count))


def pdf(*pages: str, filter_: bytes = b"", streams: Sequence[bytes] = ()) -> bytes:
    """Return a PDF of a line of text a page; `streams` are contents of pages as they stand."""
    shown = [f"BT /F 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b"" for text in pages]
    contents = [*shown, *streams]
    first = 4
    kids = b" ".join(b"%d 0 R" % (first + 2 * n) for n in range(len(contents)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(contents)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n, content in enumerate(contents):
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<</Font<</F 3 0 R>>>>"
            b"/Contents %d 0 R>>" % (first + 2 * n + 1),
            b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), filter_, content),
        ]
    return _joined(objects)


def _joined(objects: Sequence[bytes]) -> bytes:
    pieces, at, length = [b"%PDF-1.4\n"], [], 9
    for n, body in enumerate(objects, 1):
        at.append(length)
        pieces.append(b"%d 0 obj\n%s\nendobj\n" % (n, body))
        length += len(pieces[-1])
    table = b"".join(b"%010d 00000 n \n" % position for position in at)
    size = len(objects) + 1
    return b"".join(pieces) + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (size, table, size, length)
    )


def workbook(sheets: Mapping[str, Sequence[Sequence[str | int]]]) -> bytes:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    numbered = [*enumerate(sheets.items(), 1)]
    named = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in numbered
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n, _ in numbered
    )
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r"'
        f' Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">{related}</Relationships>',
    }
    for n, (_, rows) in numbered:
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f"<worksheet {main}><sheetData>{_rows(rows)}</sheetData></worksheet>"
        )
    return zipped(parts)


def _rows(rows: Sequence[Sequence[str | int]]) -> str:
    told = ("".join(map(_cell, row)) for row in rows)
    return "".join(f"<row>{cells}</row>" for cells in told)


def _cell(value: str | int) -> str:
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'

"""Excel, by calamine: a page a sheet. https://github.com/dimastbk/python-calamine"""

import io
from datetime import datetime

from python_calamine import CalamineError, CalamineWorkbook

from polyagent.adapters.extraction.formats.package import Package
from polyagent.adapters.extraction.formats.writer import TextWriter, row_of
from polyagent.domain.errors import DocumentUnreadable


def read(content: bytes, writer: TextWriter) -> None:
    Package(content)  # for what it refuses
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in workbook.sheet_names:
            writer.page()
            writer.heading(name, 1)
            sheet = workbook.get_sheet_by_name(name)
            writer.table([row_of([*map(_cell, row)]) for row in sheet.iter_rows()])
    except (CalamineError, OSError, ValueError) as error:
        raise DocumentUnreadable("It is damaged: no workbook can be read out of it.") from error


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and not any((value.hour, value.minute, value.second)):
        return value.date().isoformat()
    return str(value)

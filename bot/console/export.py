"""Tables as files: CSV for spreadsheets, JSONL for programs."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from bot.console.visits import Visit

Line = Mapping[str, object]

TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # what a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection


async def download(visit: Visit, name: str, format: str, lines: AsyncIterator[Line]) -> web.StreamResponse:
    """*lines* as a file called *name*, sent as they come."""
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{TYPES[format]}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}.{format}"',
        }
    )
    await response.prepare(visit.request)
    first = True
    async for line in lines:
        text = _csv(line, head=first) if format == "csv" else json.dumps(line, ensure_ascii=False) + "\n"
        await response.write(text.encode("utf-8", "backslashreplace"))  # what a lone surrogate is in JSON
        first = False
    await response.write_eof()
    return response


def _csv(line: Line, *, head: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow(line)
    writer.writerow([_cell(value) for value in line.values()])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) and isinstance(value, str) else text

"""A console with thirty answers, as a process that ends with its standard input: `console_served.py FOLDER`."""

import asyncio
import sys
from pathlib import Path

from console_site import open_site


async def main(folder: Path) -> None:
    async with open_site(folder) as site:
        for number in range(30):
            await site.answer(number, rating=(-1, 1, 0)[number % 3])
        print(str(site.client.make_url("")).rstrip("/"), flush=True)
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main(Path(sys.argv[1])))

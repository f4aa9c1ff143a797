# SPDX-License-Identifier: Apache-2.0
"""Clients that leave, in any phase of a request and in any way."""
import asyncio

from kit import job, request, reset

PHASES = ("head", "body", "queue", "prefill", "decode", "between")


async def leave(writer, how):
    if how == "rst":
        reset(writer)
    elif how == "shut": # half of it; the server ends the rest
        writer.write_eof()
        await asyncio.sleep(0)
        writer.close()
    else:
        writer.close()


async def cut_one(port, rng):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    phase, how, stream = rng.choice(PHASES), rng.choice(("fin", "rst", "shut")), rng.random() < 0.7
    data = request(job(rng.choice((4, 400)), 300, rng.randrange(100), stream=stream), close=rng.random() < 0.5)
    try:
        if phase == "head":
            data = data[:rng.randrange(1, data.index(b"\r\n\r\n"))]
        elif phase == "body":
            data = data[:data.index(b"\r\n\r\n") + 4 + rng.randrange(100)]
        writer.write(data)
        await writer.drain()
        if phase == "prefill":
            await asyncio.sleep(rng.random() * 0.02)
        elif phase in ("decode", "between") and stream:
            for _ in range(rng.randrange(1, 6)):
                if b"data: {" not in await reader.read(1024 if phase == "decode" else 65536):
                    break
        await leave(writer, how)
    except ConnectionError:
        writer.close()

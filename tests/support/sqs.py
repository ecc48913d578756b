"""A real server of the SQS protocol on loopback, for as long as a test needs it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

__all__ = ["KEY", "REGION", "SECRET", "new_queue", "sqs_client", "sqs_server"]

KEY, SECRET, REGION = "AKIASIMULATED", "simulated-aws-secret", "eu-west-1"


@contextmanager
def sqs_server() -> Iterator[str]:
    """Serve; gives the base URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@asynccontextmanager
async def sqs_client(origin: str) -> AsyncIterator[Any]:
    """What Amazon's own side uses."""
    async with get_session().create_client(
        "sqs",
        region_name=REGION,
        endpoint_url=origin,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    ) as client:
        yield client


async def new_queue(client: Any) -> str:
    """A fresh queue; gives its URL."""
    told = await client.create_queue(QueueName=f"channelsync-{uuid4().hex[:8]}")
    url: str = told["QueueUrl"]
    return url

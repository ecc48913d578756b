"""The SQS queue that Amazon delivers to: long polls, at least once, in no order.

The client is aiobotocore's, of the extra `channelsync[aws]`; it resolves the machine's own
credentials where the settings name none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from channelsync.sdk.errors import Misconfigured, NeedsReauthorization, Retryable
from channelsync_amazon.settings import AmazonSettings, QueueAddress

__all__ = ["Message", "Queue"]

WAIT_SECONDS: Final = 5
"""A long poll waits so long; a stop of the daemon waits for it."""
BATCH: Final = 10
"""SQS hands out and takes back no more at once."""
HIDDEN_SECONDS: Final = 60
"""A message that was handed out and not taken back comes again after this."""
READ_SECONDS: Final = 20
DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "ExpiredToken",
    }
)
MISSING: Final = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as it lies in the queue."""

    receipt: str
    body: bytes


class Queue:
    """One queue. Opens its client at the first call."""

    def __init__(self, settings: AmazonSettings, address: QueueAddress) -> None:
        self._settings = settings
        self._address = address
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def receive(self) -> list[Message]:
        """What waits; waits itself where nothing does.

        Raises:
            NeedsReauthorization, Misconfigured: a person must act.
            Retryable: no answer now.
        """
        told = await self._call(
            "receive_message",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=WAIT_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        return [
            Message(receipt=one["ReceiptHandle"], body=one["Body"].encode())
            for one in told.get("Messages", ())
        ]

    async def delete(self, receipts: Sequence[str]) -> None:
        """Take messages back for good. One that stays comes again, which is harmless."""
        for start in range(0, len(receipts), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[start : start + BATCH])
            ]
            await self._call("delete_message_batch", Entries=entries)

    async def close(self) -> None:
        """Close the client, if it is open."""
        await self._stack.aclose()
        self._client = None

    async def _call(self, operation: str, **given: Any) -> Any:
        from botocore.exceptions import (  # noqa: PLC0415 - of the extra
            BotoCoreError,
            ClientError,
        )

        client = await self._opened()
        try:
            return await getattr(client, operation)(QueueUrl=self._address.url, **given)
        except ClientError as error:
            raise self._refusal(str(error.response.get("Error", {}).get("Code", ""))) from error
        except BotoCoreError as error:
            kind = type(error).__name__
            if kind == "NoCredentialsError":
                raise NeedsReauthorization(
                    "there are no AWS credentials for the queue: set aws_access_key_id and"
                    " aws_secret_access_key, or give the machine a role"
                ) from error
            raise Retryable(f"the queue could not be reached ({kind})") from error

    def _refusal(self, code: str) -> NeedsReauthorization | Misconfigured | Retryable:
        name = self._address.arn
        if code in DENIED:
            return NeedsReauthorization(f"AWS denies access to {name} ({code}): check its policy")
        if code in MISSING:
            return Misconfigured(f"there is no queue {name}: check queue_url and queue_region")
        return Retryable(f"the queue answers {code or 'an error'}")

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await self._stack.enter_async_context(self._new_client())
            return self._client

    def _new_client(self) -> Any:
        from aiobotocore.config import AioConfig  # noqa: PLC0415 - of the extra
        from aiobotocore.session import get_session  # noqa: PLC0415 - of the extra

        secret = self._settings.aws_secret_access_key
        return get_session().create_client(
            "sqs",
            region_name=self._address.region,
            endpoint_url=self._address.origin,
            aws_access_key_id=self._settings.aws_access_key_id,
            aws_secret_access_key=None if secret is None else secret.get_secret_value(),
            config=AioConfig(
                connect_timeout=5, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
            ),
        )

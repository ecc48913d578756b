"""What the desk says once a thing is done, by the name that stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["DONE"]

DONE: Final[Mapping[str, str]] = {
    "acknowledged": "Acknowledged. Should it happen again, it is raised again.",
    "channel-forgotten": "Forgotten. What was set aside for the channel is free again.",
    "channel-looked": "The channel is being looked at now: offers, orders, numbers, assumptions.",
    "channel-paused": "Paused. Nothing is sent; orders are counted, what is on sale stays aside.",
    "channel-resumed": "Resumed. Its numbers are brought up to date now.",
    "counted": "The count is in the books.",
    "adjusted": "The change is in the books.",
    "safety-set": "The safety stock is set.",
    "dropped": "Dropped. It stays in the books as decided.",
    "replayed": "Replayed. What fails again comes back as a new dead letter.",
    "endpoint-removed": "Removed. Nothing is sent there any more.",
    "endpoint-enabled": "Enabled. Events are sent again from now on.",
    "endpoint-tested": "A test event is on its way; its delivery shows below in a moment.",
    "file-written": "Written. The daemon takes the file over in a moment.",
    "item-made": "Made. Count what lies where, and every channel that offers its SKU is fed.",
    "transfer-prepared": "Reserved. The units leave once no channel may sell them any more.",
    "transfer-left": "The units have left. They are on hand nowhere until they are received.",
    "transfer-cancelled": "Cancelled. The units stay where they are, and may be sold again.",
    "transfer-received": "Received. What arrived is on hand, what did not is written off.",
    "hold-released": "Released. The units can be sold again.",
    "hold-extended": "Extended.",
    "key-revoked": "Revoked. Whatever uses the key is refused from now on.",
    "password-changed": "The password is changed. Every session of yours has ended: sign in again.",
    "approved": "Approved, and done.",
    "proposed": "Proposed. It is done once another user approves it.",
    "proposal-refused": "Refused. Nothing was done.",
    "second-factor-prepared": "The secret is made. It counts once its first code has come.",
    "second-factor-off": "Switched off. Your password alone lets you in from now on.",
    "second-factor-taken-off": "Taken off. The user's sessions have ended.",
    "user-added": "Added. Hand over the password on a safe way; it can be changed under Account.",
    "user-changed": "Changed. The user's sessions have ended.",
    "user-removed": "Removed. The user's sessions have ended; what was done stays in the trail.",
    "sessions-ended": "Every session of the user has ended.",
}

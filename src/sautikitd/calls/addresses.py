"""Whom a call may go to that is no telephone number: a device by name (`client:asha`), or a SIP address."""

from typing import Literal

DeviceClass = Literal["sip", "browser"]
"""How a leg to a device is priced: browsers by a class of their own."""

CLIENT = "client:"
_SIP = ("sip:", "sips:")


def is_device_address(text: str) -> bool:
    """Whether it names a device or a SIP address. No telephone number does."""
    return text.lower().startswith((CLIENT, *_SIP))

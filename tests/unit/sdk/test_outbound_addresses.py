"""Security checklist 6: what users name is never reached inside our own network."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from channelsync.sdk.http import HostRefused
from channelsync.security.outbound import AddressRefused, outbound_client, require_outward

INSIDE = (
    "http://example.com/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://db/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.0.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[2002:7f00:1::]/",
    "https://ada:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#here",
    "ftp://example.com/",
    "file:///etc/passwd",
    "//example.com/",
    "https://",
    "https:///x",
    "https://example.com:99999/",
    "",
    "x",
)


@pytest.mark.parametrize("url", INSIDE)
def test_item_6_an_address_inside_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        require_outward(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://EXAMPLE.com:8443/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
    ],
)
def test_an_address_outside_is_taken(url: str) -> None:
    require_outward(url)


def test_the_operator_may_name_a_host_inside() -> None:
    require_outward("http://127.0.0.1:9000/hook", ("127.0.0.1:9000",))
    with pytest.raises(AddressRefused):
        require_outward("http://127.0.0.1:9001/hook", ("127.0.0.1:9000",))


class Net:
    """A network and a name service in memory."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.reached: list[httpx.Request] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return self.addresses

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.reached.append(request)
        return httpx.Response(302, headers={"location": "http://169.254.169.254/"})


async def post(net: Net, url: str, allow_hosts: tuple[str, ...] = ()) -> httpx.Response:
    transport = httpx.MockTransport(net.answer)
    async with outbound_client(allow_hosts, transport=transport, resolve=net.resolve) as client:
        return await client.post(url, content=b"{}")


async def test_item_6_the_request_goes_to_the_very_address_that_was_checked() -> None:
    net = Net("93.184.216.34")
    answer = await post(net, "https://erp.example.com/hook?x=1")
    assert answer.status_code == 302
    [request] = net.reached
    assert request.url == "https://93.184.216.34/hook?x=1"
    assert request.headers["host"] == "erp.example.com"
    assert request.extensions["sni_hostname"] == "erp.example.com"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["::1"],
        ["169.254.169.254"],
        ["::ffff:10.0.0.1"],
    ],
)
async def test_item_6_a_name_that_points_inside_is_refused(addresses: list[str]) -> None:
    net = Net(*addresses)
    with pytest.raises(HostRefused):
        await post(net, "https://rebound.example.com/")
    assert net.reached == []


async def test_item_6_a_redirect_is_not_followed_and_nothing_is_not_found() -> None:
    net = Net("93.184.216.34")
    await post(net, "https://erp.example.com/")
    assert len(net.reached) == 1
    with pytest.raises(httpx.ConnectError):
        await post(Net(), "https://erp.example.com/")


async def test_the_operators_own_host_is_not_resolved_by_us() -> None:
    net = Net("10.0.0.1")
    await post(net, "http://erp.internal:9000/hook", ("erp.internal:9000",))
    assert net.reached[0].url.host == "erp.internal"

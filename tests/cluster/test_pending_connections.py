"""Strangers at the TLS listeners of Dask: silent, half, or many; who has the certificate still gets in."""

import asyncio
import logging
import socket
from contextlib import ExitStack, asynccontextmanager

import distributed
import pytest
from descriptors import no_descriptor_left
from distributed.comm import connect, listen

from sabotnb.cluster import local_cluster, pending_connections
from sabotnb.cluster.certificates import new_certificate, security_of
from sabotnb.cluster.pending_connections import limit_handshakes
from sabotnb.exchange import RareWarnings

SECURITY = security_of(*new_certificate())
BEGUN = {"nothing": b"", "half a TLS record": b"\x16\x03\x01", "half a frame of Dask": b"\x10\0\0\0"}


@asynccontextmanager
async def echoing():
    """The address of a TLS listener that answers with what it is sent."""

    async def answer(comm):
        await comm.write(await comm.read())
        await comm.close()

    listener = await listen("tls://127.0.0.1:0", answer, **SECURITY.get_listen_args("scheduler"))
    limit_handshakes(listener)
    try:
        yield listener
    finally:
        listener.stop()


async def owner_gets_in(listener, word="here"):
    comm = await connect(listener.contact_address, **SECURITY.get_connection_args("client"))
    await comm.write(word)
    assert await comm.read() == word
    await comm.close()


async def stranger(listener, begun=b""):
    reader, writer = await asyncio.open_connection(*listener.get_host_port())
    writer.write(begun)
    return reader, writer


async def closed(reader):
    try:
        while await reader.read(4096):
            continue
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("begun", BEGUN.values(), ids=BEGUN)
def test_a_handshake_has_a_deadline(begun, monkeypatch):
    async def run():
        async with echoing() as listener:
            monkeypatch.setattr(pending_connections, "HANDSHAKE_SECONDS", 0.2)
            reader, writer = await stranger(listener, begun)
            assert await closed(reader)
            assert len(pending_connections.pending_connections()) == 0
            monkeypatch.undo()
            await owner_gets_in(listener)
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("begun", [BEGUN["nothing"], BEGUN["half a TLS record"]])
def test_a_peer_that_hangs_up_itself_is_not_reported(begun, monkeypatch, caplog):
    async def run():
        async with echoing() as listener:
            reader, writer = await stranger(listener, begun)
            await writer.drain()
            writer.close()
            assert await closed(reader)
            await owner_gets_in(listener)

    monkeypatch.setattr(pending_connections, "_warnings", RareWarnings(pending_connections.logger))
    asyncio.run(run())
    assert not [line for line in caplog.messages if "refused a connection" in line]


def test_many_strangers_do_not_keep_the_owner_out(monkeypatch):
    async def run():
        monkeypatch.setattr(pending_connections, "HANDSHAKE_SECONDS", 3600.0)
        monkeypatch.setattr(pending_connections, "MOST_PENDING", 5)
        async with echoing() as listener:
            inside = await connect(listener.contact_address, **SECURITY.get_connection_args("client"))
            strangers = [await stranger(listener, begun) for begun in [*BEGUN.values()] * 5]
            assert await closed(strangers[0][0])
            await owner_gets_in(listener)
            assert len(pending_connections.pending_connections()) <= 5
            await inside.write("was there before them")  # a connection with the certificate is not counted
            assert await inside.read() == "was there before them"
            await inside.close()
            for _, writer in strangers:
                writer.close()

    asyncio.run(run())


def test_strangers_do_not_fill_the_log(caplog):
    caplog.set_level(logging.WARNING, "sabotnb.cluster")

    async def run():
        async with echoing() as listener:
            for _ in range(20):
                reader, writer = await stranger(listener, b"GET / HTTP/1.1\r\n\r\n")
                assert await closed(reader)
                writer.close()

    asyncio.run(run())
    assert len(caplog.records) <= 1


def test_a_listener_without_descriptors_waits_and_goes_on(caplog):
    caplog.set_level(logging.WARNING, "sabotnb.cluster")

    async def run():
        turns = 0
        async with echoing() as listener:
            sock = socket.socket()
            sock.settimeout(0)
            with no_descriptor_left():
                await asyncio.get_running_loop().sock_connect(sock, listener.get_host_port())
                for turns in range(2000):  # noqa: B007
                    await asyncio.sleep(0)
            await owner_gets_in(listener)
            sock.close()
        assert turns == 1999

    asyncio.run(run())
    assert len([record for record in caplog.records if "accept" in record.getMessage()]) <= 1
    assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.cluster
def test_every_listener_of_a_cluster_has_bounds():
    cluster = local_cluster(1, 1)
    info = cluster.client.scheduler_info()
    workers = info["workers"]
    ports = [int(address.rpartition(":")[2]) for address in (cluster.address, *workers)]
    ports += [int(worker["nanny"].rpartition(":")[2]) for worker in workers.values()]
    ports.append(info["services"]["dashboard"])
    assert len(set(ports)) == 4
    for port in ports:
        with ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                for _ in range(pending_connections.MOST_PENDING + 10)
            ]
            assert silent[0].recv(1) == b""
    with distributed.Client(cluster.address, security=cluster.client.security, set_as_default=False) as client:
        assert client.submit(int, "7").result() == 7
    cluster.close()

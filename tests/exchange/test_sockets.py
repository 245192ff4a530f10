"""The socket transport: folders of killed agents, and peers that do not answer."""

import os
import socket
import time
from contextlib import ExitStack

from exchanges import channel_key, no_wake

from sabotnb.exchange.channel import Account
from sabotnb.exchange.sockets import SocketTransport, lock_folder, remove_stale_folders
from sabotnb.exchange.transport import Peer


def test_folders_of_killed_agents_are_removed(tmp_path):
    for name in ("sabotnb-left", "sabotnb-alive", "sabotnb-0", "other"):
        (tmp_path / name).mkdir()
    for name in ("sabotnb-left", "sabotnb-alive", "other"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / name / "data"))
    alive = lock_folder(tmp_path / "sabotnb-alive")
    remove_stale_folders(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["other", "sabotnb-0", "sabotnb-alive"]
    os.close(alive)
    remove_stale_folders(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["other", "sabotnb-0"]


def test_stop_waits_for_all_peers_together():
    transport = SocketTransport("left", {}.get, lambda agent, reason: None)
    with ExitStack() as stack:
        for number in range(20):
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # it does not accept
            peer = Peer(f"silent-{number}", {"tcp": f"127.0.0.1:{silent.getsockname()[1]}"})
            transport.open(channel_key(0, number), peer, Account(1, no_wake))
        began = time.monotonic()
        transport.stop()
        assert time.monotonic() - began < 10  # a second for each would be 20

"""Socket folders of agents that were killed."""

import os
import socket

from sabotnb.exchange.sockets import claim, remove_left_folders


def test_folders_of_killed_agents_are_removed(tmp_path):
    for name in ("sabotnb-left", "sabotnb-alive", "sabotnb-0", "other"):
        (tmp_path / name).mkdir()
    for name in ("sabotnb-left", "sabotnb-alive", "other"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / name / "data"))
    alive = claim(tmp_path / "sabotnb-alive")
    remove_left_folders(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["other", "sabotnb-0", "sabotnb-alive"]
    os.close(alive)
    remove_left_folders(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["other", "sabotnb-0"]

"""Loading functions: tasks of one process open at the same time."""

import threading

from sabotnb.blobs import capture

MODULE = """
import threading
import time

inside, most = set(), []

def entered():
    inside.add(threading.get_ident())
    for _ in range(100):
        most.append(len(inside))
        time.sleep(0)  # lets other threads run
    inside.remove(threading.get_ident())
    return 1

class Watched:
    def __reduce__(self):
        return entered, ()
"""


def test_functions_are_loaded_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """So the modules of a function are imported by one, too: some fail if several threads begin at different ends."""
    (tmp_path / "watched_loading.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import watched_loading  # pickled by reference, as it is not in the folder of the notebook

    held = watched_loading.Watched()
    function = capture(lambda: held, "map")
    threads = [threading.Thread(target=function.load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(watched_loading.most) == 800
    assert set(watched_loading.most) == {1}

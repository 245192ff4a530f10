"""Drive a Jupyter kernel as JupyterLab does: cells with ids, outputs and comms that change later, clicks."""

import contextlib
import os
import re
import time
from queue import Empty

from jupyter_client.manager import KernelManager

SECONDS = 40
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@contextlib.contextmanager
def running_kernel(first="", last="", env=None):
    """Start a kernel that runs ``first``, and ``last`` before it is shut down."""
    manager = KernelManager(transport="ipc")  # ports may be taken by others before the kernel does
    manager.start_kernel(env=env or dict(os.environ))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=SECONDS)
    kernel = Kernel(client, manager)
    try:
        assert kernel.run(first) == {}
        yield kernel
        kernel.run(last)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


class Kernel:
    """A kernel with the state that a page has of it: outputs by display id, states of widgets by comm."""

    def __init__(self, client, manager):
        self.client = client
        self.manager = manager
        self.outputs = {}
        self.models = {}
        self.closed = set()
        self.answers = {}
        self.updates = 0

    def run(self, code, cell="cell-one"):
        """Run a cell; returns the texts that it prints or shows, by MIME type, and an exception as ``error``."""
        shown = {}
        message = self.start(code, cell)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            heard = self._received(SECONDS)
            if heard["parent_header"].get("msg_id") != message:
                continue
            if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                self.client.get_shell_msg(timeout=SECONDS)
                return shown
            _add(shown, heard["msg_type"], heard["content"])
        raise TimeoutError(f"the cell did not end in {SECONDS} s: {code}")

    def start(self, code, cell="cell-one"):
        """Start a cell; returns the id of its message."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def wait(self, condition, seconds=SECONDS):
        """Receive messages until ``condition()`` is true; returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the condition was not met in {seconds} s; models {list(self.models)}, answers {self.answers}"
                )
            with contextlib.suppress(Empty):
                self._received(0.2)
        return value

    def click(self, model, command, subshell=None, page=None):
        """Send a message of a widget, optionally over a subshell or from another page."""
        content = {"comm_id": model, "data": {"method": "custom", "content": command}}
        message = self.client.session.msg("comm_msg", content)
        message["header"]["session"] = page or message["header"]["session"]
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def subshell(self):
        """Create a subshell of the kernel, which handles messages while a cell runs; returns its id."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        return self.client.get_control_msg(timeout=30)["content"]["subshell_id"]

    def _received(self, seconds):
        heard = self.client.get_iopub_msg(timeout=seconds)
        kind, content = heard["msg_type"], heard["content"]
        if kind in ("display_data", "update_display_data"):
            if output := content["transient"].get("display_id"):
                self.outputs[output] = content["data"]
        elif kind == "comm_open":
            self.models[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_close":
            self.closed.add(content["comm_id"])
        elif kind == "comm_msg" and content["data"]["method"] == "update":
            self.models[content["comm_id"]].update(content["data"]["state"])
            self.updates += 1
        elif kind == "comm_msg" and content["data"]["method"] == "custom":
            answer = content["data"]["content"]
            self.answers.setdefault(answer["id"], []).append(answer)
        return heard


def _add(shown, kind, content):
    if kind == "stream" and content["name"] == "stdout":
        shown["stdout"] = shown.get("stdout", "") + content["text"]
    elif kind == "error":
        shown["error"] = f"{content['ename']}: {content['evalue']}"
        shown["traceback"] = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content["traceback"]))
    elif kind in ("execute_result", "display_data"):
        shown.update(content["data"])
        shown.update({"output": content["transient"]["display_id"]} if content.get("transient") else {})

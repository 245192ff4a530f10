"""A process that has used up its descriptors."""

import errno
import os
import resource
from contextlib import ExitStack, contextmanager

import pytest


def take_all(stack):
    while True:
        stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


@contextmanager
def no_descriptor_left():
    """This process can open nothing inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            take_all(stack)
        yield

"""Scripts of two ports for tests of joins."""

from hypothesis import strategies as st

from sabotnb.testing import Advance, EndPort, Push

LONGEST = 7


@st.composite
def two_ports(draw, rows, *, timed=True):
    """Steps in which each port may end at any time; ``rows`` draws those of a port, given the watermark."""
    steps, us, ended = [], 0, set()
    for kind in draw(st.lists(st.sampled_from(["push"] * 5 + ["advance"] * 2 * timed + ["end"]), max_size=LONGEST)):
        port = draw(st.integers(0, 1))
        if kind == "advance":
            us += draw(st.integers(1, 50))
            steps.append(Advance(us))
        elif port not in ended and kind == "push":
            steps.append(Push(draw(rows(port, us)), port))
        elif port not in ended:
            ended.add(port)
            steps.append(EndPort(port))
    return [*steps, *(EndPort(port) for port in (0, 1) if port not in ended)]

"""Hash joins that are restored from a cut go on as if they had never stopped."""

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from join_scripts import two_ports

from sabotnb.graph import Join
from sabotnb.testing import Recovery, RecoverySuite

LEFT = pa.schema({"k": pa.string(), "x": pa.int64()})
RIGHT = pa.schema({"k": pa.string(), "y": pa.int64()})


def rows(port, _us):
    number = "y" if port else "x"
    return st.lists(
        st.fixed_dictionaries({"k": st.none() | st.sampled_from("abcde"), number: st.integers(0, 9)}), max_size=6
    )


class JoinRecovery(RecoverySuite):
    steps = two_ports(rows, timed=False)


class TestHashJoins(JoinRecovery):
    @pytest.fixture(autouse=True, scope="class", params=["inner", "left", "right", "full", "semi", "anti"])
    @staticmethod
    def how(request):
        request.cls.spec = Join(("k",), ("k",), request.param, strategy="hash")

    def recovery(self):
        return Recovery.of(self.spec, LEFT, RIGHT)


class TestBroadcastJoins(JoinRecovery):
    """Left rows are in any task, here by another column than the key."""

    @pytest.fixture(autouse=True, scope="class", params=["inner", "left", "semi", "anti"])
    @staticmethod
    def how(request):
        request.cls.spec = Join(("k",), ("k",), request.param, strategy="broadcast")

    def recovery(self):
        return Recovery.of(self.spec, LEFT, RIGHT, keys=[("x",), None])

from collections import Counter

import pytest

import sabotnb as sb

pytestmark = pytest.mark.cluster


@pytest.fixture
def asked():
    """Requests of clients to the scheduler of a new cluster, by handler."""
    requests = Counter()

    def counted(name, handler):
        async def ask(*args, **options):
            requests[name] += 1
            return await handler(*args, **options)

        return ask

    with sb.local(workers=2, slots=1, processes=False) as env:
        handlers = env.client.cluster.scheduler.handlers
        handlers.update({name: counted(name, handlers[name]) for name in handlers if name.startswith("sabot_")})
        yield requests


def test_collecting_rows_costs_few_round_trips(asked):
    assert sb.Stream.from_rows([{"a": 1}]).to_rows() == [{"a": 1}]
    # agents for the parallelism; where the rows are; the end, for the reader of rows and for the release of the results
    assert asked == {"sabot_watch": 4, "sabot_submit": 1, "sabot_command": 1}

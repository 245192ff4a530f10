"""Prometheus finds metrics on the scheduler's HTTP server, also of clusters without a dashboard."""

from urllib.request import urlopen

import distributed
import pytest
from cluster_jobs import endless, submit
from prometheus_client.parser import text_string_to_metric_families

from sabotnb.cluster import connect

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("dashboard", ["127.0.0.1:0", None])
def test_the_scheduler_serves_the_metrics_of_its_jobs(dashboard):
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": dashboard}
    with distributed.LocalCluster(**options) as deployer, distributed.Client(deployer, set_as_default=False) as client:
        run = submit(connect(client), "scraped", endless(), parallelism=1)
        run.wait_until(lambda status: status.rows > 0)
        port = client.scheduler_info()["services"]["dashboard"]
        with urlopen(f"http://127.0.0.1:{port}/sabotnb/metrics") as page:
            kind, text = page.headers["Content-Type"], page.read().decode()
        found = {family.name: family.samples for family in text_string_to_metric_families(text)}
        assert kind.startswith("text/plain; version=0.0.4")
        assert sum(one.value for one in found["sabotnb_task_rows_in"]) > 0
        run.cancel()
        run.wait_over()

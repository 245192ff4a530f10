import logging

from sabotnb.exchange.rare_warnings import INTERVAL_SECONDS, RareWarnings


def test_one_line_in_a_minute_and_the_number_of_others(caplog):
    caplog.set_level(logging.WARNING, "test")
    now = [0.0]
    warnings = RareWarnings(logging.getLogger("test"), lambda: now[0])
    for second in (0.0, 1.0, INTERVAL_SECONDS - 1, INTERVAL_SECONDS, INTERVAL_SECONDS + 1):
        now[0] = second
        warnings.warn(f"refused at {second:g}")
    assert caplog.messages == ["refused at 0", "refused at 60 (2 more since the last such line)"]
    now[0] = 1000.0
    warnings.warn("refused later")
    assert caplog.messages[2:] == ["refused later (1 more since the last such line)"]

"""A browser test that fails leaves a picture of the page."""

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    live = getattr(item, "funcargs", {}).get("live")
    if report.failed and live is not None:
        path = live.folder / f"{item.name}.{report.when}.png"
        live.page.screenshot(path=path)
        report.sections.append(("the page when it failed", str(path)))
    return report

"""Show at the end how often each claim held: a pass count is a result, not only a pass."""


def pytest_terminal_summary(terminalreporter):
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.getreports(outcome)]
    tables = [text for r in reports for key, text in r.user_properties if key == "seeds"]
    if tables:
        terminalreporter.section("claims, runs with other seeds that agree")
        terminalreporter.write_line("\n\n".join(tables))

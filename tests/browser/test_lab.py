"""The live lab in a real JupyterLab; what arrived is read from the trainer, not from the page."""

import os
from pathlib import Path

import pytest

from .live_page import LivePage, chromium, jupyterlab

pytestmark = pytest.mark.browser
# 3.3e-4 lies between two stops of its slider
LIVE_CELL = """\
import textgan_lab as tl
trainer = tl.Trainer(tl.Spec(data="captions", mle_steps=150, knobs={"g_lr": 3.3e-4, "d_lr": 3e-3}))
lab = tl.LiveLab(trainer)
lab.start()
lab"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    pytest.importorskip("playwright", reason="no playwright; it comes with textgan-lab[test]")
    folder = tmp_path_factory.mktemp("browser")
    with jupyterlab(folder) as url, chromium(folder) as page:
        live = LivePage(folder, url, page, LIVE_CELL)
        live.open()
        live.run_all()
        yield live


@pytest.fixture
def live(opened):
    """A lab just started, with sliders that nobody has touched."""
    opened.restart()
    yield opened
    assert opened.errors == []


def applied_within(said, arrival, steps):
    """Whether the trainer's own log has what arrived, at most ``steps`` later."""
    t, name, value = arrival
    return any(t <= step <= t + steps and [name, value] == rest for step, *rest in said["turns"])


def test_showing_the_lab_turns_no_knob(live):
    said = live.until(lambda said: said["t"] > 30)
    live.page.wait_for_selector(".noUi-handle")
    assert said["arrived"] == said["turns"] == []
    assert (said["knobs"]["g_lr"], said["knobs"]["d_lr"]) == (3.3e-4, 3e-3)
    assert live.slider("g_lr").locator(".widget-readout").inner_text() == "3.3e-4"


def test_every_key_press_arrives(live):
    for value in [i / 100 for i in range(1, 13)]:
        live.press("d_noise")
        # while a kernel is busy, the page's widgets keep only the newest of what they have to say
        said = live.until(lambda said, value=value: said["turns"][-1:] and
                          said["turns"][-1][2] == value)  # fmt: skip
    assert [value for _, _, value in said["arrived"]] == [i / 100 for i in range(1, 13)]
    assert all(applied_within(said, arrival, 2) for arrival in said["arrived"])
    shown = f"Number(document.querySelector('[data-v]').dataset.v) >= {said['version']}"
    live.page.wait_for_function(shown, timeout=5000)


def test_a_drag_ends_on_what_the_page_shows(live):
    live.drag("d_dropout")
    readout = float(live.slider("d_dropout").locator(".widget-readout").inner_text())
    assert readout > 0.1
    said = live.until(lambda said: said["knobs"]["d_dropout"] == readout)
    live.until(lambda said: [turn[1:] for turn in said["turns"][-1:]] == [["d_dropout", readout]])
    assert said["arrived"][-1][1:] == ["d_dropout", readout]
    assert len(said["arrived"]) > 5  # on the way, not only at its end
    assert applied_within(live.said(), said["arrived"][-1], 2)


def test_sliders_live_while_a_cell_keeps_the_kernel(live):
    live.errand(
        'import time; begin = len(lab.arrived); note = "asleep"; time.sleep(8); '
        "note = lab.arrived[begin:]"
    )
    live.until(lambda said: said["note"] == "asleep")
    live.press("d_lr", times=3)
    live.press("label_smoothing", times=3)
    said = live.until(lambda said: isinstance(said["note"], list))
    assert [[name, value] for _, name, value in said["note"]] == [
        ["d_lr", 0.005], ["d_lr", 0.007], ["d_lr", 0.01],
        ["label_smoothing", 0.005], ["label_smoothing", 0.01], ["label_smoothing", 0.015],
    ]  # fmt: skip


def test_sliders_follow_a_cell_and_send_nothing_back(live):
    # between two stops, beyond the last one, where a stop goes from the page, and on the last one
    for value, shown in ((4.4e-4, "4.4e-4"), (1.0, "1"), (3e-4, "3e-4"), (0.1, "0.1")):
        live.errand(f"lab.trainer.knobs.set(g_lr={value})")
        live.page.wait_for_function(
            "([name, shown]) => [...document.querySelectorAll('.widget-slider')].some(s => "
            "s.querySelector('.widget-label b').innerText === name && "
            "s.querySelector('.widget-readout').innerText === shown)",
            arg=["g_lr", shown],
            timeout=5000,
        )
        live.page.wait_for_timeout(500)  # for what a page would send back
        said = live.said()
        assert said["arrived"] == []
        assert said["knobs"]["g_lr"] == value


def test_a_reload_leaves_training_alone_and_the_view_returns(live):
    live.page.keyboard.press("Control+s")
    live.page.wait_for_timeout(1000)
    before = live.said()
    live.page.reload()
    live.wait_for_notebook()
    after = live.until(lambda said: said["t"] > before["t"] + 20)
    assert after["lab"] == before["lab"]
    live.page.wait_for_function(
        f"Number(document.querySelector('[data-t]')?.dataset.t) > {after['t']}", timeout=20_000
    )
    live.press("d_noise")
    live.until(lambda said: [turn[1:] for turn in said["turns"][-1:]] == [["d_noise", 0.01]])


def test_pause_stops_the_step_counter_and_step_d_takes_one(live):
    live.until(lambda said: said["t"] > 155, 60)  # past the warm-up, in which D stands still
    live.click("pause")
    paused = live.until(lambda said: said["state"] == "paused")["t"]
    live.page.wait_for_timeout(1000)
    assert live.said()["t"] == paused
    live.page.wait_for_selector(f"[data-state=paused][data-t='{paused}']", timeout=5000)
    live.click("step D")
    live.until(lambda said: said["t"] == paused + 1)
    live.click("run")
    live.until(lambda said: said["t"] > paused + 5)


def test_running_the_live_cell_again_leaves_one_lab(live):
    before = live.said()
    live.restart()
    after = live.until(lambda said: said["t"] > 5)
    assert after["lab"] != before["lab"]
    threads = [name for name in after["threads"] if name.startswith("lab: ")]
    assert threads == ["lab: train", "lab: view"]


def test_a_scenario_is_loaded_run_diagnosed_and_cured(live):
    temperature = ".widget-slider >> text=/^temperature$/"
    live.page.wait_for_selector(temperature)
    picker = live.page.locator(".textgan-lab select").first
    assert picker.input_value() == "a run of your own"
    assert live.button("load").is_disabled()
    assert live.button("cure").is_disabled()
    live.choose("argmax-wall")
    live.click("load")
    live.until(lambda said: said["scenario"] == "argmax-wall" and said["t"] == 0)
    live.page.wait_for_selector("[data-scenario=argmax-wall][data-cured=false]")
    # the sliders are those of the run on show: hard tokens have no temperature
    live.page.wait_for_selector(temperature, state="detached")
    live.press("g_lr", key="ArrowLeft")
    assert live.until(lambda said: said["arrived"])["arrived"][0][1] == "g_lr"
    live.click("▶ run")
    live.until(lambda said: said["state"] == "finished", 90)
    live.page.wait_for_selector("[data-finding]:not([data-finding=''])")
    live.page.wait_for_selector("svg .finding[data-code=blocked-gradient]", state="attached")
    charts, flags = live.page.evaluate(
        """() => [...document.querySelectorAll('.textgan-lab svg')].map(chart =>
            chart.querySelectorAll('.finding[data-code=blocked-gradient] path').length)
            .reduce(([n, flags], found) => [n + 1, flags + found], [0, 0])"""
    )
    assert charts == flags == 6, "a flag in every chart"
    live.click("cure")
    live.page.wait_for_selector("[data-scenario=argmax-wall][data-cured=true]")
    live.page.wait_for_selector(temperature)
    live.page.wait_for_selector("svg polyline[stroke='#b8b8b8']", state="attached")
    live.until(lambda said: said["cured"] and said["t"] > 60, 60)
    live.page.wait_for_selector("svg .finding[data-code=blocked-gradient]", state="detached")


def test_the_diagnosis_stays_unfolded_while_training_goes_on(live):
    report = live.page.locator(".textgan-lab .widget-html", has_text="At step")
    live.until(lambda said: said["t"] > 180, 60)
    report.nth(1).wait_for(state="attached")  # the line of news comes first, and is seen
    assert report.nth(1).is_hidden()
    live.click("diagnosis")
    live.page.wait_for_function(
        "[...document.querySelectorAll('.textgan-lab .widget-html')]"
        ".some(w => w.offsetHeight > 0 && w.innerText.includes('not found'))"
    )
    t = live.said()["t"]
    live.until(lambda said: said["t"] > t + 60, 60)
    assert live.page.get_by_text("not found", exact=False).first.is_visible()


def test_slow_motion_takes_one_step_and_shows_its_phases_in_order(live):
    live.until(lambda said: said["t"] > 155, 60)  # past the warm-up, which has no D
    live.click("pause")
    t = live.until(lambda said: said["state"] == "paused")["t"]
    button = live.button("next phase")
    assert button.is_hidden()
    live.click("slow motion")
    names = []
    for place in range(10):
        shown = live.page.wait_for_selector(f"[data-phase='{place}']", timeout=5000)
        names.append(shown.get_attribute("data-name"))
        if names[-1] == "g.tokens":
            framed = live.page.locator("[data-chosen=true]").count()
            assert 1 <= framed <= 10
        button.click()
    assert names[:4] == ["d.samples", "d.score", "d.loss", "d.update"]
    assert names[4:] == ["g.noise", "g.tokens", "g.score", "g.loss", "g.credit", "g.update"]
    live.page.wait_for_selector("[data-phase]", state="detached", timeout=5000)
    assert live.said()["t"] == t + 1
    live.click("▶ run")
    live.until(lambda said: said["t"] > t + 5)
    assert button.is_hidden()


# what would be cut: what reaches out of its box, and what is narrower than a hand can turn
CUT = """() => [...document.querySelectorAll('.textgan-lab .widget-slider')].flatMap(slider => {
    const box = part => slider.querySelector(part).getBoundingClientRect();
    const label = slider.querySelector('.widget-label'), name = label.innerText;
    const wrong = [];
    if (box('.slider-container').width < 150) wrong.push(`${name}: narrow`);
    if (label.scrollWidth > label.clientWidth || label.scrollHeight > label.clientHeight ||
        box('.widget-label').bottom > box('.slider-container').top) wrong.push(`${name}: cut`);
    return wrong;
})"""


@pytest.mark.parametrize("width, height", [(1300, 950), (1280, 800), (1000, 800)])
def test_sliders_keep_their_width_beside_long_names_and_no_hint_is_cut(live, width, height):
    live.choose("static-collapse")
    live.click("load")
    live.page.wait_for_selector(".widget-slider >> text=/^gradient_penalty.weight$/")
    was = live.page.viewport_size
    try:
        live.page.set_viewport_size({"width": width, "height": height})
        live.page.wait_for_timeout(500)
        assert live.page.evaluate(CUT) == []
        widths = live.page.locator(".textgan-lab .slider-container").evaluate_all(
            "sliders => sliders.map(s => Math.round(s.getBoundingClientRect().width))"
        )
        assert len(widths) == 13
        assert max(widths) - min(widths) <= 1
    finally:
        live.page.set_viewport_size(was)


def test_news_too_long_for_the_page_end_in_an_ellipsis_and_are_told_in_full(live):
    long = "a notice " * 40
    live.errand(f"lab.notice = {long!r}")
    line = live.page.wait_for_selector("[data-finding][title^='a notice']")
    assert line.get_attribute("title").startswith(long)
    shown, needed, right, end = line.evaluate(
        """line => [line.clientWidth, line.scrollWidth, line.getBoundingClientRect().right,
                    line.closest('.textgan-lab').getBoundingClientRect().right]"""
    )
    assert shown < needed, "cut by the line itself, which is what draws the ellipsis"
    assert right <= end
    assert line.evaluate("line => getComputedStyle(line).textOverflow") == "ellipsis"


def test_all_of_it_fits_on_one_screen(live, tmp_path):
    """And its picture is the one that README shows, where TEXTGAN_LAB_SCREENSHOT=1 asks for it."""
    live.until(lambda said: said["t"] > 230, 60)
    live.press("d_noise", times=4)
    live.until(lambda said: said["t"] > 300, 60)
    live.drag("g_lr", moves=24)
    live.until(lambda said: said["t"] > 395, 60)
    live.page.evaluate("""() => {
        const [, live, errand] = document.querySelectorAll('.jp-Notebook-cell');
        errand.style.visibility = 'hidden';
        live.scrollIntoView();
    }""")
    live.page.wait_for_timeout(500)
    asked = os.environ.get("TEXTGAN_LAB_SCREENSHOT") == "1"
    live.page.screenshot(path=(Path(__file__).parent if asked else tmp_path) / "lab.png")
    box = live.page.locator(".textgan-lab").bounding_box()
    assert box["y"] > 0
    panel = live.page.locator(".jp-NotebookPanel").bounding_box()
    assert box["y"] + box["height"] < panel["y"] + panel["height"]
    # in one go: a frame drawn between two questions replaces the charts
    tops = live.page.locator(".textgan-lab svg").evaluate_all(
        "charts => charts.map(chart => chart.getBoundingClientRect().y)"
    )
    assert len(tops) == 6
    assert len(set(tops)) == 2, "three panels a row"

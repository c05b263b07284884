"""The page in a real browser: hostile text stays text, nothing is fetched, keys and a screen reader are enough."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import axe
import browser
import pagelab
import pytest
import recordlab

from runner.current import Teller
from runner.jobs.report import Pages, write
from runner.parts import Reading
from runner.record.run import RunFolder
from runner.relay import Silent
from runner.trial import Entry, Status

ATTACKS = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    "<svg onload=window.owned=1><a xlink:href=javascript:window.owned=1>x</a></svg>",
    "</script><script>window.owned = 1; alert(1)</script>",
    "<!--<script>window.owned=1",
    "\u2028window.owned = 1;\u2029//",
    "\x1b[31m\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\u202etxt.exe\u2066",
    "{{script}} ${window.owned = 1} javascript:window.owned=1",
    "<iframe src=http://evil.example/></iframe><link rel=stylesheet href=http://evil.example/a.css>",
    "<style>@import url(http://evil.example/b.css)</style><base href=http://evil.example/>",
    "'\"><body onpageshow=window.owned=1><form action=http://evil.example><input autofocus onfocus=window.owned=1>",
)


def hostile(entry: Entry) -> Entry:
    attack = ATTACKS[entry.number % len(ATTACKS)]
    attempts = tuple(replace(one, detail=attack) for one in entry.attempts)
    verdict = replace(entry.verdict, reason=attack, numbers={**entry.verdict.numbers, attack[:30]: 1.0})
    return replace(
        entry, note=attack, agent=attack, detail=attack, attempts=attempts, verdict=verdict, suspicious=attack,
        meta={"model": attack, "cost_usd": 0.1}, timings={**entry.timings, attack[:12]: 1.0},
        machine={"gpu": {"name": attack, attack: 3}},
    )  # fmt: skip


def hostile_source(made: bytes, number: int) -> bytes:
    """A version whose change holds the attack, in a comment and in a string: Python that any agent may write."""
    attack = ATTACKS[number % len(ATTACKS)]
    written = f"# {attack}\nATTACK_{number} = r'''{attack} '''\n"
    compile(written, "train.py", "exec")
    return made + written.encode()


def poison(folder: RunFolder) -> None:
    """The same into all that a training writes itself, and lines of a megabyte."""
    for number in range(len(ATTACKS)):
        place, attack = folder.trial(number), ATTACKS[number]
        long = "<b>" * 350_000
        (place / "attempt-0.log").write_text(f"{long}\n{attack}\n", encoding="utf-8")
        (place / "attempt-0.curve.jsonl").write_text(
            f'{{"step": "{attack[:5]}", "loss": 1}}\n' + pagelab.curve(random.Random(1), 20)
        )
        if (place / "sample.txt").exists():  # a kept one: the page shows samples.json, eight prompts of it
            (place / "sample.txt").write_text(f"Once upon a time {attack} {long}", encoding="utf-8")
            drawn = [ATTACKS[(number + at) % len(ATTACKS)] for at in range(8)]
            told = [{"prompt": one, "text": f"{one} and {one} {long[:9_000]}"} for one in drawn]
            (place / "samples.json").write_text(json.dumps(told), encoding="utf-8")


def readable(attack: str) -> str:
    """What of it must be seen, as it was written; empty where some of it is taken out for a reader's sake."""
    return "" if any(c in attack for c in "\x1b\u202e\u2028") else attack[:60]


def hostile_run(place: Path) -> RunFolder:
    """One trial more than there are attacks, since the baseline has no change."""
    made = pagelab.make(place, len(ATTACKS) + 1, alter=hostile, write=hostile_source)
    poison(made)
    return made


def busy_run(place: Path) -> str:
    """The address of a page that was made while two devices trained."""
    folder = pagelab.make(place, 3)
    with folder.lock():
        teller = Teller(Silent(), folder, 7)
        for name, number in (("cpu", 3), ("<b>cpu-1", 4)):
            slot = teller.slot(name)
            slot.training(number, ATTACKS[number], 0, 7, 30.0)
            teller._told = 0.0
            slot.reading(Reading(12.0, 40, 3.25, 4096, None, 812.0))
        teller.attend(3, ATTACKS[3])
        return write(Pages(place, folder)).as_uri()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser.started() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of two pages on disk: one of an ordinary run, one of a hostile one."""
    if browser.installed() is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    place = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        recordlab.isolate(place / "home", patch)
        plain = pagelab.make(place / "plain", 24)
        bad = hostile_run(place / "bad")
        yield {
            "busy": busy_run(place / "busy"),
            "plain": write(Pages(plain.path.parents[1], plain)).as_uri(),
            "hostile": write(Pages(bad.path.parents[1], bad)).as_uri(),
        }


def open_page(driver: Any, address: str, **look: Any) -> None:
    browser.look(driver, **{"width": 1280, "height": 900, **look})
    driver.get("about:blank")
    browser.requests(driver), browser.complaints(driver)
    driver.get(address)
    assert driver.execute_script("return document.documentElement.dataset.ready"), browser.complaints(driver)


def text(driver: Any, selector: str) -> str:
    found: str = driver.execute_script("return document.querySelector(arguments[0]).textContent", selector)
    return found


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


NOTHING_RAN = "return window.owned === undefined"
CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
FOREIGN = "img, iframe, form, base, link:not([rel=icon]), main script, dialog script"
MADE = f"return document.querySelectorAll('{FOREIGN}').length"


def open_trial(driver: Any, number: int) -> None:
    driver.execute_script(f"location.hash = '#trial-{number}'")
    driver.execute_async_script("setTimeout(arguments[0], 60)")
    assert text(driver, "#trial h2").startswith("Baseline" if number == 0 else f"Trial {number}")


def harmless(driver: Any) -> None:
    """Nothing ran, nothing was fetched, no element was made of a text, and the browser had nothing to refuse."""
    assert driver.execute_script(NOTHING_RAN)
    assert [url for url in browser.requests(driver) if not url.startswith("file:")] == []
    assert driver.execute_script(MADE) == 0
    assert browser.complaints(driver) == []


def test_hostile_text_in_every_place_does_nothing_and_is_read_as_it_was_written(
    driver: Any, pages: dict[str, str]
) -> None:
    open_page(driver, pages["hostile"])
    for number in range(len(ATTACKS)):
        open_trial(driver, number)
        assert readable(ATTACKS[number]) in text(driver, "#trial")
        press(driver, "\ue00c")
    harmless(driver)


def test_a_hostile_change_is_read_as_the_code_that_it_is(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["hostile"])
    for number in range(1, len(ATTACKS) + 1):
        attack = readable(ATTACKS[number % len(ATTACKS)])
        open_trial(driver, number)
        shown = text(driver, "#trial pre[aria-label='Change to train.py']")
        assert f"+# {attack}" in shown
        assert f"+ATTACK_{number} = r'''{attack}" in shown
        assert not re.search(CONTROLS, shown)
        press(driver, "\ue00c")
    harmless(driver)


def test_hostile_samples_and_prompts_stay_text(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["hostile"])
    kept = driver.execute_script(
        "return Object.keys(JSON.parse(document.getElementById('data').textContent).samples)"
    )
    assert len(kept) > 1
    driver.execute_script("document.getElementById('ladder-box').open = true")
    for at in range(8):
        driver.execute_script(
            "const s = document.getElementById('prompt'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
            at,
        )
        first = readable(ATTACKS[at])
        assert first in text(driver, "#pair .prompt")
        assert f"{first}" in text(driver, "#ladder .text")
    for number in map(int, kept):
        open_trial(driver, number)
        shown = text(driver, "#trial")
        for at in range(8):
            assert readable(ATTACKS[(number + at) % len(ATTACKS)]) in shown
        assert not re.search(CONTROLS, shown)
        press(driver, "\ue00c")
    harmless(driver)


def test_what_trains_side_by_side_is_shown_device_by_device(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["busy"])
    rows = driver.execute_script(
        "return [...document.querySelectorAll('#live .slots li')].map(r => r.textContent)"
    )
    assert len(rows) == 2
    for number, name, row in ((3, "cpu", rows[1]), (4, "<b>cpu-1", rows[0])):
        assert row.startswith(f"{name}trial {number}training{ATTACKS[number]}loss 3.25"), row
        assert row.endswith("12 of 30 s")
    assert "trial 3is decided next" in text(driver, "#live")
    harmless(driver)


def test_escapes_and_overrides_are_not_in_the_document(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["hostile"])
    assert (
        driver.execute_script(
            r"return /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent)"
        )
        is False
    )


def test_the_policy_stops_what_a_script_of_a_trial_would_do(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"])
    tried = driver.execute_script("""
        const said = [];
        try { document.body.innerHTML += '<img src=x onerror="window.owned = 1">'; said.push('markup'); } catch { }
        setTimeout(() => eval('window.owned = 1'));  // later: what a driver runs itself is excused from the policy
        try {
            const made = document.createElement('div');
            made.setAttribute('onclick', 'window.owned = 1');
            document.body.append(made);
            made.click();
        } catch { }
        return said;""")
    assert tried == []
    driver.execute_async_script("setTimeout(arguments[0], 60)")
    assert driver.execute_script("return window.owned") is None
    refused = driver.execute_async_script(
        "fetch('https://example.org/').then(() => arguments[0]('sent'), () => arguments[0]('refused'))"
    )
    assert refused == "refused"
    assert [url for url in browser.requests(driver) if not url.startswith("file:")] == []


def test_a_page_from_disk_asks_for_nothing_and_complains_of_nothing(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"])
    assert browser.requests(driver) == [pages["plain"]]
    assert browser.complaints(driver) == []


def test_the_staircase_goes_by_keys_and_opens_trials(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"])
    driver.execute_script("document.getElementById('stairs').focus()")
    press(driver, "\ue011", "\ue014", "\ue014")  # Home, right, right
    assert driver.execute_script(
        "return document.getElementById('stairs').getAttribute('aria-valuetext')"
    ).startswith("Trial 2, ")
    assert "Trial 2" in text(driver, "#tip")
    press(driver, "\ue007")
    assert driver.execute_script("return document.getElementById('trial').open")
    assert text(driver, "#trial h2").startswith("Trial 2")
    press(driver, "\ue014")
    assert text(driver, "#trial h2").startswith("Trial 3")
    press(driver, "\ue00c")
    assert not driver.execute_script("return document.getElementById('trial').open")
    assert driver.execute_script("return document.activeElement.id") == "stairs"


def test_a_click_on_a_kept_mark_opens_it(driver: Any, pages: dict[str, str]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    open_page(driver, pages["plain"])
    driver.execute_script("document.getElementById('stairs').focus()")
    press(driver, "\ue010", "\ue00e")  # End, Page Up: the last kept version
    wanted = driver.execute_script("return document.getElementById('stairs').getAttribute('aria-valuenow')")
    ring = driver.find_element("css selector", ".ring")
    place = driver.execute_script(
        "const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]", ring
    )
    actions = ActionChains(driver)
    actions.w3c_actions.pointer_action.move_to_location(*map(round, place))
    actions.click().perform()
    assert text(driver, "#trial h2").startswith(f"Trial {wanted}")


def test_the_table_sorts_filters_and_searches(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"])
    cells = "[r.className, r.children[0].textContent, r.children[2].textContent]"
    rows = f"return [...document.querySelectorAll('#rows tr')].map(r => {cells})"
    assert len(driver.execute_script(rows)) == 24
    driver.execute_script("document.querySelector('#by-bpb button').click()")
    scores = [float(score) for _, _, score in driver.execute_script(rows) if score != "–"]
    assert scores == sorted(scores)
    assert (
        driver.execute_script("return document.getElementById('by-bpb').getAttribute('aria-sort')")
        == "ascending"
    )
    driver.execute_script("document.querySelector('input[value=keep]').click()")
    assert {kind for kind, _, _ in driver.execute_script(rows)} == {str(Status.KEEP)}
    driver.execute_script("document.querySelector('input[value=all]').click()")
    driver.find_element("id", "search").send_keys("relu")
    assert 0 < len(driver.execute_script(rows)) < 24
    assert "of 24 trials" in text(driver, "#counted")


def test_samples_stand_side_by_side_with_their_prompt_marked(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"])
    assert driver.execute_script("return document.querySelectorAll('#pair .story').length") == 2
    assert text(driver, "#pair .prompt") == pagelab.PROMPT
    driver.execute_script("document.getElementById('ladder-box').open = true")
    driver.execute_async_script("setTimeout(arguments[0], 60)")
    kept = driver.execute_script("return document.querySelectorAll('#rows tr.keep').length")
    assert driver.execute_script("return document.querySelectorAll('#ladder .rung').length") == kept


def test_a_trial_shows_its_diff_in_colours_its_curve_and_its_log(driver: Any, pages: dict[str, str]) -> None:
    open_page(driver, pages["plain"] + "#trial-3")
    assert driver.execute_script("return document.querySelectorAll('#trial pre .add').length") > 0
    assert driver.execute_script("return document.querySelectorAll('#trial .curve canvas').length") == 1
    assert "loss" in text(driver, "#trial pre[aria-label='End of the log']")


def test_the_theme_follows_the_person_and_can_be_chosen(driver: Any, pages: dict[str, str]) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    open_page(driver, pages["plain"], dark=True)
    dark = driver.execute_script(paper)
    open_page(driver, pages["plain"])
    light = driver.execute_script(paper)
    assert dark != light
    for _ in range(2):  # auto, light, dark
        driver.find_element("id", "theme").click()
    assert driver.execute_script(paper) == dark
    driver.find_element("id", "theme").click()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_runs_off_a_narrow_screen(driver: Any, pages: dict[str, str], width: int) -> None:
    for name in ("plain", "hostile"):
        open_page(driver, pages[name] + "#trial-3", width=width, height=800)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert (
            driver.execute_script(
                "const d = document.getElementById('trial'); return d.scrollWidth - d.clientWidth"
            )
            <= 0
        )


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_axe_finds_nothing_serious(
    driver: Any, pages: dict[str, str], tmp_path: Path, width: int, dark: bool
) -> None:
    script = axe.source(tmp_path)
    found = []
    for hash_ in ("", "#trial-3"):
        open_page(driver, pages["plain"] + hash_, width=width, height=900, dark=dark)
        found += axe.findings(driver, script)
    assert found == []

"""The page for those who have no keyboard, and for those who only hear it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentctl.paths import Home
from tests.browser import Browser, browser
from tests.kit import analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.render.test_page import page_of


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser") / "profile", "--window-size=1100,900") as opened:
        yield opened


@pytest.fixture
def opened(own_home: Path, tmp_path: Path, tab: Browser) -> Browser:
    with open_log(Home(own_home)) as log:
        analysis(FilesRecorder(log, Home(own_home)))
    page_of(tmp_path)
    tab.open((tmp_path / "page.html").as_uri())
    return tab


@pytest.mark.browser
def test_buttons_go_to_what_is_chosen_and_stay_where_they_are(opened: Browser) -> None:
    options = opened.value("[...document.querySelectorAll('#goal option')].map((each) => each.textContent)")
    assert options == ["events", "1 error", "found"]
    down = "(() => { const down = document.querySelector('[data-go=j]'); down.focus(); down.click(); })()"
    opened.value(f"document.getElementById('goal').value = 'e'; {down}")
    assert opened.value("location.hash") == "#e31"
    assert opened.value("document.activeElement.dataset.go") == "j"
    assert opened.value("document.getElementById('read').textContent").startswith("#31 agent.tool_result: bash exit 1")
    opened.value(down)
    assert opened.value("document.getElementById('said').textContent") == "no error after this"
    opened.value(f"document.getElementById('goal').value = ''; {down}")
    assert opened.value("location.hash") == "#e35"


@pytest.mark.browser
def test_after_a_search_the_buttons_go_from_hit_to_hit(opened: Browser) -> None:
    down = "document.querySelector('[data-go=j]').click()"
    opened.value(f"document.getElementById('goal').value = 'n'; {down}; document.getElementById('goal').value = ''")
    assert opened.value("document.getElementById('said').textContent") == "nothing was searched for yet"
    opened.press("/", *"seattle-weather.csv", "Enter")
    first = opened.value("location.hash")
    assert opened.value("document.querySelector(location.hash).textContent.includes('seattle-weather.csv')")
    opened.value(down)
    assert opened.value("location.hash") != first
    assert opened.value("document.querySelector(location.hash).textContent.includes('seattle-weather.csv')")


@pytest.mark.browser
def test_one_key_opens_all_that_is_folded_before_it_is_printed(opened: Browser) -> None:
    opened.press("e")
    folds = "[...document.querySelectorAll('details:not(#keys)')].filter((fold) => !fold.open).length"
    assert opened.value(folds) > 0
    opened.press("O")
    assert opened.value(folds) == 0
    top, bottom = opened.value(
        "(({top, bottom}) => [top, innerHeight - bottom])(document.getElementById('e31').getBoundingClientRect())"
    )
    assert min(top, bottom) >= 0, "what was looked at went out of sight"
    opened.press("O")
    assert opened.value("document.querySelectorAll('details[open]').length") == 0


def heard(opened: Browser) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what a screen reader is told, from the top: roles, names, and what else is known of them."""
    nodes = {node["nodeId"]: node for node in opened.ask("Accessibility.getFullAXTree")["nodes"]}

    def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for each in node["childIds"]:
            yield from below(nodes[each]) if each in nodes else ()

    return [
        (
            node["role"]["value"],
            node["name"]["value"],
            {each["name"]: each["value"].get("value") for each in node["properties"]},
        )
        for node in below(next(iter(nodes.values())))
        if not node["ignored"] and "name" in node
    ]


@pytest.mark.browser
def test_somebody_who_only_hears_the_page_finds_their_way(opened: Browser) -> None:
    opened.press("e")
    told = heard(opened)
    headings = [(properties["level"], name) for role, name, properties in told if role == "heading"]
    assert [level for level, _ in headings] == [1, *[2] * (len(headings) - 1)]
    assert headings[-1] == (2, "Events")
    controls = ("button", "searchbox", "combobox", "checkbox", "link", "DisclosureTriangle", "article")
    assert [role for role, name, _ in told if role in controls and not name] == []
    first = next(place for place, (role, _, _) in enumerate(told) if role == "searchbox")
    assert [name for role, name, _ in told[:first] if role == "link"] == [], "the bar stands before everything else"
    at = [name for role, name, properties in told if role == "article" and properties["focused"]]
    assert [name.split(":")[0] for name in at] == ["#31 agent.tool_result"]

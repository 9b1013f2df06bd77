"""The rows of a page: how events lead to each other, and what a reader sees of them without colour."""

import re
from pathlib import Path

from agentctl.paths import Home
from tests.kit import analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.render.test_page import page_of


def test_a_result_leads_to_its_call_and_an_edit_has_signs(own_home: Path, tmp_path: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        analysis(FilesRecorder(log, home))
    page = page_of(tmp_path)
    calls = dict(re.findall(r'id="e(\d+)"[^>]*><a[^>]*>#\d+</a><div class="b"><\w+ class="call">.*?<b>(\w+)</b>', page))
    leads = re.findall(r'<a href="#e(\d+)" title="the call, #\1">(\w+)</a>', page)
    assert len(leads) == 6
    assert [calls[place] for place, _ in leads] == [name for _, name in leads]
    assert re.search(r"<pre><del>- [^<]*</del>\n<ins>\+ ", page)
    assert "· on the hosted service $0.0459" in page
    assert 'title="2026-11-20T09:00:0' in page

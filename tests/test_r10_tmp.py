import sys; sys.path.insert(0,"/work/main")
from tests.conftest import own_home
from tests.cli.test_rerun import *
@pytest.mark.parametrize("n", range(3))
def test_it(project, home, n):
    session = run(project, TALK, "--workspace", project / "workspace")
    assert agentctl("send", session, "and now write", "-q").code == 3
    waiting = agentctl("show", session, "-o", "json").json["waiting"]
    agentctl("approve", session, waiting[0]["tool_use_id"])
    agentctl("deny", session, waiting[1]["tool_use_id"], "-m", "not that one")
    assert agentctl("resume", session, "-q").code == 0
    assert agentctl("send", session, "and look", "-q", "--max-turns", "7").code == 0
    bad=[]
    for _ in range(40):
        f=again(home, session).findings
        if f.first: bad.append((f.first.seq,f.first.live_seq,f.first.cause.line,f.first.recorded[:400],f.first.live[:400]))
    with reading(home) as c:
        for r in read_events(c, Blobs(home.blobs), session):
            if bad and abs(r.seq-bad[0][0])<6: print(r.seq, r.event.type, str(r.event)[:200])
    for b in bad: print(*b, sep="\n  ")
    assert not bad

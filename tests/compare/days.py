"""Two sessions, a day apart, that differ in a bit of everything."""

from tests.compare.kit import Done, Plan, bash, changed
from tests.compare.test_layers_of_a_session import SANDBOX

REPORT = "/mnt/session/outputs/report.md"

MONDAY = Plan(
    (
        (bash("pip list | grep -i pandas", "pandas 3.0.1"), Done("glob", {"pattern": "**/*.csv"}, "data.csv", None)),
        (
            Done(
                "write",
                {"file_path": "/workspace/run.py", "content": "import pandas\nprint(pandas.read_csv('data.csv'))\n"},
                "wrote run.py",
                None,
                changes=[changed("/workspace/run.py")],
            ),
        ),
        (bash("python3 run.py --year 2014", "rows 1461\ntotal 240.0\ntook 1.5s", changes=[changed(REPORT)]),),
        (bash("python3 -m pytest -q", "3 passed in 0.12s"),),
    ),
    said="The total is 240.",
    outputs=({"path": "report.md", "size": 3, "sha256": "1" * 64},),
)

TUESDAY = MONDAY.but(
    turns=(
        (bash("pip list | grep -i pandas", "pandas 3.0.2"), MONDAY.turns[0][1]),
        MONDAY.turns[1],
        (bash("python3 run.py --year 2014 --strict", "rows 1461\ntotal 240.0", changes=[changed(REPORT, "2")]),),
        (bash("python3 -m pytest -q", "1 failed, 2 passed in 0.92s", exit_code=1),),
        (bash("pip install pandas==3.0.2", "ok"),),
    ),
    created={"sandbox": SANDBOX},
    hosts=(("pkg.test", False),),
    outputs=({"path": "report.md", "size": 3, "sha256": "2" * 64},),
    said="The total is 241.",
    seconds=1.4,
)

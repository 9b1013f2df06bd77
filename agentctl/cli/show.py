"""``agentctl show``: one session on one screen."""

import typer

from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.quick import QuickCommand
from agentctl.ids import SystemClock
from agentctl.policy.budget import hosted_cost
from agentctl.render.facts import Known
from agentctl.render.jsonl import result_body
from agentctl.render.lines import paint_all
from agentctl.render.overview import Overview, show_body
from agentctl.session.glance import Glance
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.keys import key_of_reader
from agentctl.store.leases import is_running
from agentctl.store.lineage import forks_of
from agentctl.store.snapshots import Place, glance_at

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(cls=QuickCommand)
def show(session: SessionArgument, output: OutputOption = Output.TEXT) -> None:
    """Show one session at a glance."""
    with reporting(output), opened(session) as found:
        glance = _glance(found)
        aspects = glance.completeness.aspects(under_way=is_running(found.home, found.row.id))
        forks = forks_of(found.connection, found.row.id)
        known = Known(found.status, hosted_cost(glance.summary.result.used), forks)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all(Overview(glance, known, aspects, SystemClock().now(), look).lines(), look))
        else:
            print_json(show_body(glance, result_body(glance.summary.result, known.status), known, aspects))


def _glance(session: Opened) -> Glance:
    place = Place(session.connection, Blobs(session.home.blobs), session.row.id, key_of_reader(session.home))
    return glance_at(place, anchor=read_anchor(session.home, session.row.id))

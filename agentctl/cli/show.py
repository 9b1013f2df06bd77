"""``agentctl show``: one session on one screen."""

import typer

from agentctl.cli.looking import opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.quick import QuickCommand
from agentctl.ids import SystemClock
from agentctl.policy.budget import hosted_cost
from agentctl.render.jsonl import result_body
from agentctl.render.lines import paint_all
from agentctl.render.overview import Overview, summary_body
from agentctl.session.summary import Summary

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(cls=QuickCommand)
def show(session: SessionArgument, output: OutputOption = Output.TEXT) -> None:
    """Show one session at a glance."""
    with reporting(output):
        summary = Summary()
        with opened(session) as found:
            status = found.status
            for record in found.records():
                summary.add(record.event)
        hosted = hosted_cost(summary.result.used)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all(Overview(summary, status, hosted, SystemClock().now(), look).lines(), look))
        else:
            print_json(summary_body(summary, result_body(summary.result, status), hosted))

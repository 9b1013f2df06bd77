"""``agentctl env``: the images that environments become, made ahead of time, listed and removed."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.images import chosen_images, removed_images, report_removals
from agentctl.cli.learning import learn_hosts
from agentctl.cli.looking import stdout_look
from agentctl.cli.options import Output, OutputOption, QuietOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.steps import telling
from agentctl.definitions.amounts import parse_duration
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_environment
from agentctl.errors import NotFoundError, UsageError
from agentctl.ids import SystemClock, time_of
from agentctl.launch.parts import sandbox_for
from agentctl.paths import Home, home
from agentctl.render.lines import Line, Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.numbers import age, many, size
from agentctl.sandbox.base import Progress
from agentctl.sandbox.docker.image import last_lines, log_of
from agentctl.sandbox.docker.images import EnvironmentImage, Images
from agentctl.store.database import reading
from agentctl.store.sessions import sessions_by_image
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)

_HEAD = ("ENVIRONMENT", "IMAGE", "SIZE", "BUILT", "LAST USE", "SESSIONS")
_NUMBERS = (2, 3, 4, 5)


@app.callback()
def env() -> None:
    """Build, list and remove the images of environments."""


@app.command()
def build(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The environment's file.")],
    log: Annotated[bool, typer.Option("--log", help="Show the last lines of the build, and where all are.")] = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Build the image of an environment ahead of its first session."""
    with reporting(output):
        environment, store = _buildable(file), home()
        with telling(quiet=quiet) as progress:
            facts, was_built = _built(environment, store, progress)
        recipe = str(facts["image_tag"]).rpartition(":")[2]
        body = _body_of_build(environment, facts, store, recipe, was_built=was_built)
        if output is not Output.TEXT:
            print_json(body)
            return
        write_out(f"{facts['image_tag']}  {size(body['size'])}  {'built' if was_built else 'is there already'}\n")
        if log:
            write_out("".join(f"  {line}\n" for line in last_lines(store.builds, recipe)))
            write_out(f"the whole log: {visible_line(body['log'])}\n")


@app.command("ls")
def list_images(output: OutputOption = Output.TEXT) -> None:
    """List the images that environments became here."""
    with reporting(output), contextlib.closing(Images(home().builds)) as images:
        found, sessions, unfinished = images.list(), _sessions(home()), images.unfinished()
        if output is not Output.TEXT:
            listed = [_as_json(image, sessions) for image in found]
            left = [{"recipe": recipe, "size": number} for recipe, number in unfinished.items()]
            print_json({"type": "images", "schema": "agentctl.env/1", "images": listed, "unfinished": left})
            return
        write_out(paint_all(list(_lines(found, sessions, unfinished)), stdout_look()))


@app.command()
def rm(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|TAG|FILE]...", help="By an environment's name, an image's tag, or a file."),
    ] = None,
    unused: Annotated[
        bool, typer.Option("--unused", help="Those that were not used for a while, and what failed builds left.")
    ] = False,
    older_than: Annotated[str, typer.Option(metavar="DURATION", help="How long --unused means: 30d, 12h, 0s.")] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove images; never any that agentctl did not make for this store."""
    with reporting(output), contextlib.closing(Images(home().builds)) as images:
        if bool(names) == unused:
            raise UsageError("name images, or say --unused", hint="agentctl env ls lists them")
        try:
            seconds = parse_duration(older_than)
        except ValueError as error:
            raise UsageError(f"--older-than {older_than}: {error}") from error
        chosen = chosen_images(images, names or (), seconds if unused else None)
        removals = list(removed_images(images, chosen, _sessions(home()), dry_run=dry_run, unfinished=unused))
        raise typer.Exit(report_removals("env_rm", removals, dry_run=dry_run, output=output))


app.command("learn")(learn_hosts)


def _buildable(file: Path) -> Environment:
    environment = load_environment(file)
    if environment.config.type not in ("docker", "cloud"):
        raise UsageError(f"an environment of type {environment.config.type} has no image")
    return environment


def _built(environment: Environment, store: Home, progress: Progress) -> tuple[JsonObject, bool]:
    told = []

    def tell(line: str) -> None:
        told.append(line)
        progress(line)

    with contextlib.closing(sandbox_for(environment, store, "docker")) as sandbox:
        return sandbox.prepare(tell), bool(told)


def _body_of_build(
    environment: Environment, facts: JsonObject, store: Home, recipe: str, *, was_built: bool
) -> JsonObject:
    with contextlib.closing(Images(store.builds)) as images:
        bytes_of_all = images.size_of(facts["image_digest"])
    return {
        "type": "image",
        "schema": "agentctl.image/1",
        "environment": environment.name,
        "tag": facts["image_tag"],
        "image": facts["image_digest"],
        "base": facts["base_digest"],
        "size": bytes_of_all,
        "built": was_built,
        "log": str(log_of(store.builds, recipe)),
    }


def _sessions(store: Home) -> dict[str, int]:
    try:
        with reading(store) as connection:
            return sessions_by_image(connection)
    except NotFoundError:
        return {}


def _as_json(image: EnvironmentImage, sessions: dict[str, int]) -> JsonObject:
    body = asdict(image) | {"tag": image.tag, "sessions": sessions.get(image.image, 0)}
    del body["unused_seconds"]
    return body


def _lines(found: list[EnvironmentImage], sessions: dict[str, int], unfinished: dict[str, int]) -> Iterator[Line]:
    look, now = stdout_look(), SystemClock().now()
    if not found:
        yield plain("no environment has become an image yet; agentctl env build FILE makes one")
    else:
        yield from table(_HEAD, [_cells(image, sessions, now) for image in found], look, _NUMBERS)
    if unfinished:
        yield plain(f"and what {many(len(unfinished), 'failed build')} left: agentctl env rm --unused", "dim")


def _cells(image: EnvironmentImage, sessions: dict[str, int], now: datetime) -> list[Span]:
    last_use = image.last_used_at
    return [
        Span(shown(", ".join(image.environments) or "-", stdout_look()), "bold"),
        Span(image.tag),
        Span(size(image.size)),
        Span(age(time_of(image.created_at), now), "dim"),
        Span(age(time_of(last_use), now) if last_use else "never", "dim"),
        Span(str(sessions.get(image.image, 0))),
    ]

"""Images that are to be removed: which are meant, and what became of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agentctl.cli.options import Output
from agentctl.cli.output import print_json, write_out
from agentctl.definitions.load import load_environment
from agentctl.errors import NotFoundError, SandboxError, UsageError
from agentctl.render.numbers import many, size
from agentctl.sandbox.docker.images import EnvironmentImage, Images
from agentctl.sandbox.docker.recipe import REPOSITORY
from agentctl.visible import visible_line

_SHORTEST = 6
_IN_USE = "a container needs it"


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that was removed, or would be: ``kind`` is its kind.

    ``of`` says whose it is; ``size`` counts what it shares with others. ``error`` says why it could
    not be removed, ``note`` what that means.
    """

    kind: str
    name: str
    of: str | None
    size: int
    error: str | None = None
    note: str | None = None


def chosen_images(images: Images, names: Sequence[str], unused_seconds: float | None) -> list[EnvironmentImage]:
    """Return the images that are meant, each once: by names, or all that were not used for so long.

    Raises NotFoundError for a name that is none, DefinitionError for a file that is not right.
    """
    found = images.list()
    if unused_seconds is not None:
        return [image for image in found if image.unused_seconds >= unused_seconds]
    chosen = {image.recipe: image for name in names for image in _named(images, found, name)}
    return list(chosen.values())


def removed_images(
    images: Images,
    chosen: Sequence[EnvironmentImage],
    sessions: Mapping[str, int],
    *,
    dry_run: bool,
    unfinished: bool,
) -> Iterator[Removal]:
    """Remove images, and what is left of failed builds where that is wanted too; yields what became of each."""
    for image in chosen:
        removed = dry_run or images.remove(image)
        number = sessions.get(image.image, 0)
        locked = f"{many(number, 'session')} began with it, and can go on with --rebuild only" if number else None
        of = ", ".join(image.environments) or None
        yield Removal("image", image.tag, of, image.size, None if removed else _IN_USE, locked if removed else None)
    for recipe, bytes_of_it in images.unfinished().items() if unfinished else ():
        removed = dry_run or images.remove_unfinished(recipe)
        if removed:
            yield Removal("unfinished", f"{REPOSITORY}:{recipe}", None, bytes_of_it)


def report_removals(kind: str, removals: Sequence[Removal], *, dry_run: bool, output: Output) -> int:
    """Write what became of everything; return the exit code."""
    if output is not Output.TEXT:
        listed = [asdict(removal) for removal in removals]
        schema = f"agentctl.{kind}/1"
        print_json({"type": kind, "schema": schema, "dry_run": dry_run, "removed": listed})
    else:
        lines = [removal_line(removal, dry_run=dry_run) for removal in removals]
        write_out("".join(lines) or "there is nothing to remove\n")
    return SandboxError.exit_code if any(removal.error for removal in removals) else 0


def removal_line(removal: Removal, *, dry_run: bool) -> str:
    """Say in a line what became of one thing."""
    verb = "cannot remove" if removal.error else "would remove" if dry_run else "removed"
    what = "what a failed build left:" if removal.kind == "unfinished" else removal.kind
    facts = [removal.of or "", size(removal.size), removal.error or removal.note or ""]
    return f"{verb} {what} {visible_line(removal.name)}: {visible_line('; '.join(filter(None, facts)))}\n"


def _named(images: Images, found: Sequence[EnvironmentImage], name: str) -> list[EnvironmentImage]:
    if named := [image for image in found if name in image.environments]:
        return named
    recipe = name.removeprefix(f"{REPOSITORY}:")
    if Path(name).is_file():
        recipe = images.recipe_of(load_environment(Path(name)))
    named = [image for image in found if image.recipe.startswith(recipe) and len(recipe) >= _SHORTEST]
    if len(named) > 1:
        raise UsageError(f"{visible_line(name)} is the beginning of more than one image", hint="write more of it")
    if not named:
        raise NotFoundError(
            f"there is no image of {visible_line(name)} that this store has built", hint="see: agentctl env ls"
        )
    return named

"""Which image a container is made from: the environment's, the very one a session began with, or a kept state.

A session is locked to its image by the image's id. Where that image is gone, the session does not go on
with another one unless somebody says so: the same recipe makes other bytes another day.
"""

from pathlib import Path

from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import ImageGoneError
from agentctl.sandbox.base import Layout, Origin, Progress
from agentctl.sandbox.docker.asking import ask_image
from agentctl.sandbox.docker.checkpoints import SESSION_LABEL
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.image import ENVIRONMENT_LABEL, find_base, find_or_build, image_id
from agentctl.sandbox.docker.recipe import REPOSITORY, make_recipe
from agentctl.sandbox.docker.uses import Uses
from agentctl.sandbox.registries import program, registries
from agentctl.sandbox.trust import find_ca_bundle
from agentctl.visible import visible_line

_FACTS = ("image", "image_tag", "image_digest", "base_digest", "package_hosts")


def choose_image(
    client: APIClient, environment: Environment, layout: Layout, builds: Path, origin: Origin, progress: Progress
) -> JsonObject:
    """Find or make the image; return its facts for the record.

    ``image_digest`` is the environment's image, ``checkpoint`` the one that holds the kept state, where there is
    one, from which the container is made then. Raises SandboxError.
    """
    facts = {name: origin.facts[name] for name in _FACTS if name in origin.facts}
    kept = origin.checkpoint if _has_label(client, origin.checkpoint, SESSION_LABEL) else None
    locked = facts.get("image_digest")
    if locked is None or (kept is None and not _has_label(client, locked, ENVIRONMENT_LABEL)):
        if locked is not None and not origin.rebuild:
            raise _gone(client, facts)
        facts = facts | _made(client, environment, layout, builds, progress)
        if locked is not None:
            progress("the session's image is gone; it goes on with one that was made anew")
            facts["rebuilt"] = facts["image_digest"] != locked
    _note_use(builds, facts, environment.name)
    return facts | ({"checkpoint": kept} if kept else {})


def _has_label(client: APIClient, image: str | None, label: str) -> bool:
    """Say whether an image is there and is what the record says: a record from elsewhere may name any image."""
    if image is None or image_id(client, image) is None:
        return False
    return label in (client.inspect_image(image)["Config"]["Labels"] or {})  # type: ignore[no-untyped-call]


def _made(client: APIClient, environment: Environment, layout: Layout, builds: Path, progress: Progress) -> JsonObject:
    config = environment.config
    base_id = find_base(client, config.base_image, progress)
    ca_bundle = find_ca_bundle() if config.ca_bundle == "host" else None
    recipe = make_recipe(config, base_id, layout, ca_bundle)
    image = find_or_build(client, recipe, builds, progress)
    facts: JsonObject = {
        "image": config.base_image,
        "image_tag": recipe.tag,
        "image_digest": image,
        "base_digest": base_id,
    }
    if config.networking.allow_package_managers:
        owner = owner_of(builds)
        hosts = registries(lambda: ask_image(client, image, program(), config.env, owner), [image, config.env], builds)
        facts["package_hosts"] = list(hosts)
    return facts


def _note_use(builds: Path, facts: JsonObject, environment: str) -> None:
    repository, _, recipe = str(facts.get("image_tag")).partition(":")
    if repository == REPOSITORY and recipe.isalnum():
        Uses(builds).note(recipe, environment)


def _gone(client: APIClient, facts: JsonObject) -> ImageGoneError:
    tag = str(facts.get("image_tag", facts.get("image")))
    made_anew = image_id(client, tag) is not None
    return ImageGoneError(
        f"the session's image is not here any more: {visible_line(tag)}, {visible_line(facts['image_digest'])}"
        + (" (the one that has its name now was made later)" if made_anew else ""),
        hint="--rebuild goes on with an image made anew from the same recipe, "
        "in which packages may have other versions",
    )

"""The images that environments became: what there is, who used it last, and its removal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.ids import timestamp
from agentctl.sandbox.base import Layout
from agentctl.sandbox.docker.checkpoints import remove_image
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.daemon import connect, explained
from agentctl.sandbox.docker.image import ENVIRONMENT_LABEL, OWNER_LABEL, image_id, no_such_image
from agentctl.sandbox.docker.known import KnownPackages
from agentctl.sandbox.docker.recipe import REPOSITORY, make_recipe
from agentctl.sandbox.docker.uses import Use, Uses, age_of
from agentctl.sandbox.trust import find_ca_bundle


@dataclass(frozen=True, slots=True)
class EnvironmentImage:
    """An image of this store, by the hash of its recipe.

    ``environments`` are the names of those that used it, the last one first. ``size`` counts what it
    shares with others. Times are RFC 3339; ``unused_seconds`` is how long ago the last use was, or
    the build where nobody used it.
    """

    recipe: str
    image: str
    size: int
    created_at: str
    environments: tuple[str, ...]
    last_used_at: str | None
    unused_seconds: float

    @property
    def tag(self) -> str:
        """The image's name."""
        return f"{REPOSITORY}:{self.recipe}"


class Images:
    """The images of environments that one store has built, and what is left of builds that failed."""

    def __init__(self, builds: Path) -> None:
        """Connect to the daemon. Raises SandboxError."""
        self._uses = Uses(builds)
        self._packages = KnownPackages(builds)
        self._owner = owner_of(builds)
        self._client = connect()

    def list(self) -> list[EnvironmentImage]:
        """Return them all, the last used first; those of other stores are not ours to show. Raises SandboxError."""
        labels = [ENVIRONMENT_LABEL, f"{OWNER_LABEL}={self._owner}"]
        with explained():
            found = self._client.images(filters={"label": labels})
        uses = self._uses.list()
        seen = (_seen(each, uses) for each in found if _is_whole(each))
        return sorted(seen, key=lambda image: image.unused_seconds)

    def recipe_of(self, environment: Environment) -> str:
        """Return the hash of an environment's recipe as it is now. Raises SandboxError."""
        config = environment.config
        with explained():
            base_id = image_id(self._client, config.base_image)
        if base_id is None:
            raise no_such_image(config.base_image)
        ca_bundle = find_ca_bundle() if config.ca_bundle == "host" else None
        return make_recipe(config, base_id, Layout(), ca_bundle).hash

    def size_of(self, image: str) -> int:
        """Return the bytes of an image, with what it shares with others. Raises SandboxError."""
        with explained():
            return int(self._client.inspect_image(image)["Size"])  # type: ignore[no-untyped-call]

    def remove(self, image: EnvironmentImage) -> bool:
        """Remove one, with its log. Returns False where a container or a kept state needs it. Raises SandboxError."""
        removed = remove_image(self._client, [image.tag])
        if removed:
            self._uses.forget(image.recipe)
            self._packages.forget(image.image)
        return removed

    def unfinished(self) -> dict[str, int]:
        """Return what is left of builds that failed, as the sizes of images by the hashes of their recipes."""
        found = {}
        with explained():
            for recipe, image in self._uses.unfinished().items():
                if image_id(self._client, image) is not None:
                    found[recipe] = self.size_of(image)
        return found

    def remove_unfinished(self, recipe: str) -> bool:
        """Remove what is left of a build, unless another image was made from it. Raises SandboxError."""
        removed = remove_image(self._client, [self._uses.unfinished()[recipe]])
        self._uses.note_unfinished(recipe, None)
        return removed

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _is_whole(facts: JsonObject) -> bool:
    """Say whether an image is an environment's, and not one that was made from it and has its labels too."""
    return f"{REPOSITORY}:{facts['Labels'][ENVIRONMENT_LABEL]}" in (facts.get("RepoTags") or ())


def _seen(facts: JsonObject, uses: Sequence[Use]) -> EnvironmentImage:
    recipe = str(facts["Labels"][ENVIRONMENT_LABEL])
    own = [use for use in uses if use.recipe == recipe]
    created = float(facts["Created"])
    return EnvironmentImage(
        recipe=recipe,
        image=str(facts["Id"]),
        size=int(facts["Size"]),
        created_at=timestamp(datetime.fromtimestamp(created, UTC)),
        environments=tuple(use.environment for use in own),
        last_used_at=own[0].at if own else None,
        unused_seconds=age_of(own[0].seconds if own else created),
    )

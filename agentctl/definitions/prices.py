"""The prices of a person's own: what a model costs that the catalog does not know, or knows wrongly.

::

    claude-opus-5-5: {input: "3.60", output: "18"}        # a contract's prices
    our-gateway/opus: {input: "5", output: "25", cache_read: "0.50"}

US dollars per million tokens. What is not written of the cache follows the API's usual rules:
writing costs 1.25 times the input price for five minutes and twice for an hour, reading a tenth.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from agentctl.catalog import Prices, one_name
from agentctl.definitions.document import Document
from agentctl.definitions.fields import Definition, ModelId, Shape
from agentctl.definitions.problems import in_words
from agentctl.definitions.reading import read_yaml
from agentctl.errors import NotFoundError

_WRITE_5M, _WRITE_1H, _READ = Decimal("1.25"), Decimal(2), Decimal("0.1")

Price: TypeAlias = Annotated[
    str,
    Shape(r"(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,9})?", 'must be US dollars per million tokens, such as "2.50"'),
]


class PriceRow(Definition):
    """What one model costs, in US dollars per million tokens."""

    input: Price = Field(description="Tokens read for the first time")
    output: Price = Field(description="Tokens written, thinking included")
    cache_write_5m: Price | None = Field(None, description="Tokens kept for five minutes")
    cache_write_1h: Price | None = Field(None, description="Tokens kept for an hour")
    cache_read: Price | None = Field(None, description="Tokens read from the cache")


_PriceList: TypeAlias = dict[ModelId, PriceRow]


def load_prices(path: Path) -> Mapping[str, Prices]:
    """Read a file of prices, by the name that ``catalog.one_name`` gives; no rows where there is no such file.

    Raises DefinitionError for whatever the file must not hold.
    """
    try:
        document = read_yaml(path)
    except NotFoundError:
        return {}
    rows = _validated(document)
    found: dict[str, Prices] = {}
    for model, row in rows.items():
        if one_name(model) in found:
            raise document.problem((model,), "is a second name of a model that has its prices above", on_key=True)
        found[one_name(model)] = _prices(row)
    return found


def _validated(document: Document) -> _PriceList:
    try:
        return TypeAdapter(_PriceList).validate_python(document.value, strict=True)
    except ValidationError as error:
        raise in_words(error, _PriceList, document) from None


def _prices(row: PriceRow) -> Prices:
    def of_cache(written: str | None, share: Decimal) -> Decimal:
        return Decimal(row.input) * share if written is None else Decimal(written)

    return Prices(
        input=Decimal(row.input),
        output=Decimal(row.output),
        cache_write_5m=of_cache(row.cache_write_5m, _WRITE_5M),
        cache_write_1h=of_cache(row.cache_write_1h, _WRITE_1H),
        cache_read=of_cache(row.cache_read, _READ),
    )

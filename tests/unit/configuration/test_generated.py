"""The schema, the example and the reference pages say what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from channelsync.configuration.channels import Surroundings
from channelsync.configuration.configuration import Configuration
from channelsync.configuration.document import read_document
from channelsync.configuration.loading import load, load_bytes
from channelsync.configuration.references import References
from channelsync.configuration.schema import file_schema
from channelsync.plugins.discovery import discover
from tests.unit.configuration.generated import COMMAND, ROOT, files
from tests.unit.configuration.samples import DESIGN, ENVIRONMENT, SMALL, Connectors, loaded, refused

EXAMPLE = ROOT / "config" / "example.yaml"
VARIABLES = {
    "SHOPIFY_TOKEN": "shpat_example",
    "SHOPIFY_WEBHOOK_SECRET": "hush",
    "TILL_WEBHOOK_SECRET": "whsec_" + "A" * 32,
}


def plain(text: str) -> Any:
    return read_document(text.encode(), name="shop.yaml").plain()


def errors(text: str) -> list[str]:
    validator = Draft202012Validator(file_schema(Connectors().manifests))
    return sorted("/".join(map(str, error.path)) for error in validator.iter_errors(plain(text)))


def example() -> Configuration:
    references = References(environment=VARIABLES)
    return load(EXAMPLE, Surroundings(connectors=discover(), references=references))


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], f"write it again with: {COMMAND}"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(file_schema(discover().manifests))
    Draft202012Validator.check_schema(file_schema({}))


@pytest.mark.parametrize("text", [DESIGN, SMALL], ids=["design", "small"])
def test_good_files_fit_the_schema(text: str) -> None:
    assert errors(text) == []
    assert loaded(text).pools


def test_the_example_fits_the_committed_schema_and_loads_with_its_variables() -> None:
    schema = YAML(typ="safe", pure=True).load(EXAMPLE.with_name("channelsync.schema.json"))
    content = plain(EXAMPLE.read_text("utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(content)) == []
    assert sorted(example().channels) == ["shopify", "till"]
    used = set(re.findall(r"\$\{(\w+)\}", EXAMPLE.read_text("utf-8"))) - {"NAME"}
    assert used == VARIABLES.keys()


def test_the_example_tells_editors_where_the_schema_is() -> None:
    first = EXAMPLE.read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./channelsync.schema.json"


def test_the_example_shows_every_part_of_the_file() -> None:
    parts = file_schema({})["properties"]
    assert [part for part in parts if f"{part}:" not in EXAMPLE.read_text("utf-8")] == []


def test_what_the_example_leaves_commented_out_loads_too() -> None:
    text = EXAMPLE.read_text("utf-8")
    text = re.sub(r"^# (pools:|listings:|  .*)$", r"\1", text, flags=re.MULTILINE)
    references = References(environment=VARIABLES)
    around = Surroundings(connectors=discover(), references=references)
    configuration = load_bytes(text.encode(), around, name="example.yaml")
    assert configuration.recipes_for("shopify") == {"MUG-2PK": {"MUG": 2}}


@pytest.mark.parametrize(
    ("good", "bad", "where"),
    [
        ("version: 1", "version: 2", "version"),
        ("soho: {}", "soho: {nme: x}", "locations/soho"),
        ("soho: {}", "So Ho: {}", "locations"),
        ("connector: shopify", "connector: etsy", "channels/shop/connector"),
        ("shop: acme.myshopify.com", "shopp: acme.myshopify.com", "channels/shop/settings"),
        ("${SHOPIFY_TOKEN}", "shpat_literal", "channels/shop/settings/access_token"),
        ("version: 1", "version: 1\nallocation: {quotas: {shop: 120%}}", "allocation/quotas/shop"),
        ("version: 1", "version: 1\nallocation: {guarantee: pooled}", "allocation/guarantee"),
        ("version: 1", "version: 1\nholds: {default_ttl: 15}", "holds/default_ttl"),
        ("version: 1", "version: 1\nallocation: {rules: ~}", "allocation/rules"),
    ],
)
def test_what_the_schema_refuses_the_program_refuses(good: str, bad: str, where: str) -> None:
    text = SMALL.replace(good, bad)
    assert where in errors(text)
    assert refused(text, environment=ENVIRONMENT).problems


def test_an_editor_may_see_references_where_numbers_are_wanted() -> None:
    assert errors(SMALL + "      batch: ${BATCH}\n") == []
    assert errors(SMALL + "      batch: many\n") == ["channels/shop/settings/batch"]


def test_the_schema_explains_every_key() -> None:
    definitions = file_schema({})["$defs"]
    silent = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, one in definition.get("properties", {}).items()
        if not one.get("description")
    ]
    assert silent == []

"""JSON Schema of a rule pack, for editors."""

from typing import Any

from extractor.ruleset.model import PackShape
from extractor.ruleset.value import Type


def pack_schema() -> dict[str, Any]:
    """The schema (draft 2020-12), rendered from the model.

    It knows the shape and the words; what they mean together only `extractor check` knows.
    """
    schema = PackShape.model_json_schema(mode="validation")
    # The loader reads any word as a type, to have something to say about `object` and `array`.
    for name in ("ValueShape", "VariableShape"):
        schema["$defs"][name]["properties"]["type"]["enum"] = [one.value for one in Type]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_titles(schema),
        "title": "a rule pack of extractor",
    }


def _without_titles(schema: Any) -> Any:
    """Pydantic titles each key after itself, which editors show instead of what it is for."""
    if isinstance(schema, list):
        return [_without_titles(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }

"""JSON Schema of the config, for editors."""

from typing import Any

from extractor.config.shape import ConfigShape

_REFERENCE = {"type": "string", "pattern": r"^\$\{[A-Za-z_]", "description": "from the environment"}


def config_schema() -> dict[str, Any]:
    """The schema (draft 2020-12), rendered from the model.

    Where something else than a text is wanted, a reference to the environment (`${NAME}`) is fine, too.
    """
    schema = ConfigShape.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_open_to_references(schema),
        "title": "extractor's config",
    }


def _open_to_references(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_open_to_references(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    opened = {key: _open_to_references(value) for key, value in schema.items()}
    takes_other_text = "enum" in schema or "const" in schema or "pattern" in schema
    if schema.get("type") in {"integer", "number", "boolean"} or (
        schema.get("type") == "string" and takes_other_text
    ):
        kept = {key: opened.pop(key) for key in ("default", "description", "title") if key in opened}
        return {"anyOf": [opened, _REFERENCE], **kept}
    return opened

"""The API as OpenAPI 3.1 has it, made of the endpoints' own kinds of requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waylab_tracking.access import ROWS
from waylab_tracking.identity import API_VERSION
from waylab_tracking.registry import ENDPOINTS, Endpoint

Json = dict[str, Any]
BATCHES = frozenset({"events.add_batch"})
TEXTS = frozenset({"events.download_task_log"})
REF = "#/components/schemas/"
_META: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "trx": {"type": "string"},
        "endpoint": {"type": "object"},
        "result_code": {"type": "integer"},
        "result_subcode": {"type": "integer"},
        "result_msg": {"type": "string"},
        "error_stack": {"type": ["string", "null"]},
        "error_data": {"type": "object"},
    },
    "required": ["id", "endpoint", "result_code", "result_subcode", "result_msg"],
}


def route() -> Route:
    """Give the route of the description; it tells nothing of what is stored."""
    return Route("/openapi.json", _answer, methods=["GET"])


@cache
def document() -> Json:
    """Describe every endpoint: its requests, its roles and its answers' envelope."""
    schemas: Json = {"Meta": _META}
    paths = {
        f"/{name}": {"post": _operation(name, found, schemas)}
        for name, found in sorted(ENDPOINTS.items())
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Waylab tracking",
            "version": API_VERSION,
            "description": (
                "The API that the ClearML SDK and agent speak. Endpoints answer to GET,"
                " POST and PUT, with any version in front: `/v2.23/tasks.get_all`."
            ),
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "keys": {"type": "http", "scheme": "basic"},
            },
        },
    }


async def _answer(_: Request) -> Response:
    return JSONResponse(document())


def _operation(name: str, found: Endpoint, schemas: Json) -> Json:
    operation: Json = {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": (found.handler.__doc__ or name).partition("\n")[0],
        "x-roles": sorted(ROWS[name].roles),
        "requestBody": _body(name, found, schemas),
        "responses": {
            "200": _text() if name in TEXTS else _response("Done."),
            "default": _response("Refused, with ClearML's codes."),
        },
    }
    if name == "auth.login":
        operation["security"] = [{"keys": []}, {"token": []}]
    return operation


def _body(name: str, found: Endpoint, schemas: Json) -> Json:
    if name in BATCHES:
        text = {"type": "string", "description": "One event a line, as JSON."}
        return {"content": {"application/json-lines": {"schema": text}}}
    kind = found.takes.__name__
    if kind not in schemas:
        schema = found.takes.model_json_schema(ref_template=f"{REF}{{model}}")
        schemas |= schema.pop("$defs", {})
        schemas[kind] = schema
    return {"content": {"application/json": {"schema": {"$ref": f"{REF}{kind}"}}}}


def _text() -> Json:
    return {
        "description": "The text.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }


def _response(description: str) -> Json:
    schema = {
        "type": "object",
        "properties": {"meta": {"$ref": f"{REF}Meta"}, "data": {"type": "object"}},
        "required": ["meta", "data"],
    }
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }

"""What the description of the API says of every route: what a caller shows, and how it is refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from litestar.config.app import AppConfig
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    Schema,
    SecurityScheme,
)

REFUSALS: Final = {
    "400": "What was sent breaks a rule; the sentence names what was found and what is expected",
    "401": "Nothing was shown that opens anything",
    "403": "What was shown does not open this",
    "404": "There is no such thing",
    "409": "It clashes with what is stored",
    "413": "The body is too large",
    "421": "The host is none of this server's names",
    "429": "This caller asks too often, or another such request runs",
    "503": "A part does not answer now",
}
"""Status -> what it says. Every one of them carries a sentence."""
BEARER: Final = "token"


@dataclass
class Described(Operation):
    """An operation with the ways in which it is refused."""

    def __post_init__(self) -> None:
        """Put the refusals in the place of what the framework takes for them."""
        refusable(self)


def refusable(operation: Operation) -> None:
    """Say of the operation what its caller shows, and how it is refused."""
    refusals = {status: Reference(ref=f"#/components/responses/{status}") for status in REFUSALS}
    operation.responses = {**(operation.responses or {}), **refusals}
    operation.security = [{BEARER: []}]


def of_files(kinds: Iterable[str]) -> type[Operation]:
    """What describes a route that answers with a file of one of these content types."""

    @dataclass
    class OfFiles(Operation):
        """An operation whose answer is a file."""

        def __post_init__(self) -> None:
            refusable(self)
            file = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
            content = {kind: OpenAPIMediaType(schema=Schema() if "json" in kind else file) for kind in kinds}
            self.responses = {**(self.responses or {}), "200": OpenAPIResponse(description="A file", content=content)}

    return OfFiles


def describe(config: AppConfig) -> AppConfig:
    """Describe each of the application's routes under ``/api`` so; one with a description of its own keeps it."""
    for handler in config.route_handlers:
        if isinstance(handler, HTTPRouteHandler) and handler.operation_class is Operation and _is_api(handler):
            handler.operation_class = Described
    return config


def _is_api(handler: HTTPRouteHandler) -> bool:
    return all(path.startswith("/api/") for path in handler.paths)


def components() -> Components:
    """The parts that descriptions refer to."""
    said = Schema(
        type=OpenAPIType.OBJECT,
        properties={"error": Schema(type=OpenAPIType.STRING)},
        required=["error"],
        additional_properties=False,
    )
    told = {"application/json": OpenAPIMediaType(schema=said)}
    responses = {status: OpenAPIResponse(description=text, content=told) for status, text in REFUSALS.items()}
    scheme = SecurityScheme(type="http", scheme="bearer", description="The token of the installation, or a key")
    return Components(responses=dict(responses), security_schemes={BEARER: scheme})

"""The pages of data, models and signals: a list and a detail page each."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from loopline.apps.http.archive import Archive
from loopline.apps.http.views import House
from loopline.apps.notebook.library import Library
from loopline.apps.web.histogram import outline_of
from loopline.apps.web.render import page
from loopline.apps.web.words import shares
from loopline.errors import LooplineError
from loopline.records.dataset import DatasetVersion

Html = Response[Any]
CONFLICTS = 20
"""Contradicting labels that a page lists."""


def data_routes(house: House) -> list[HTTPRouteHandler]:
    """Dataset versions: the list, and one of them."""
    loop = house.settings.name

    @get("/data", sync_to_thread=True, include_in_schema=False)
    def datasets() -> Html:
        """All dataset versions, and the prediction log."""
        library = Library(house)
        tags = {version.name: library.tags_of(version) for version in library.versions} if library.tags else {}
        tally, counts = house.log.tally(), house.counters.read()
        return page(
            "datasets.html",
            here="data",
            loop_name=loop,
            datasets=library.versions,
            tags=tags,
            tally=tally,
            counts=counts,
        )

    @get("/data/{name:str}", sync_to_thread=True, include_in_schema=False)
    def dataset(name: FromPath[str]) -> Html:
        """One dataset version, by its name or a tag."""
        library = Library(house)
        found = library.find(name)
        return page(
            "dataset.html",
            here="data",
            loop_name=loop,
            it=found,
            tags=library.tags_of(found),
            parent=library.parent(found),
            children=[other for other in library.versions if other.parent == found.id],
            trained=[model for model in Archive(house).models if model.dataset == found.id],
            most=CONFLICTS,
            **_stored(library, found),
        )

    return [datasets, dataset]


def _stored(library: Library, version: DatasetVersion) -> dict[str, Any]:
    """What the store tells of a version; why it does not, where it cannot."""
    try:
        return {"made": library.manifest(version), "conflicts": library.conflicts(version), "trouble": ""}
    except LooplineError as error:
        return {"made": None, "conflicts": (), "trouble": str(error)}


def model_routes(house: House) -> list[HTTPRouteHandler]:
    """Model versions: the list, and one of them."""
    loop = house.settings.name

    @get("/models", sync_to_thread=True, include_in_schema=False)
    def models() -> Html:
        """All model versions."""
        archive = Archive(house)
        now = {name: (part, role) for name, part, role in shares(archive.split)}
        judged = {verdict.challenger: verdict for verdict in archive.verdicts}
        return page("models.html", here="models", loop_name=loop, models=archive.models, now=now, judged=judged)

    @get("/models/{name:str}", sync_to_thread=True, include_in_schema=False)
    def model(name: FromPath[str]) -> Html:
        """One model version."""
        archive = Archive(house)
        found = archive.model(name)
        now = {version: (part, role) for version, part, role in shares(archive.split)}
        return page(
            "model.html",
            here="models",
            loop_name=loop,
            it=found,
            now=now.get(found.name),
            dataset=next((one for one in archive.datasets if one.id == found.dataset), None),
            verdicts=[one for one in archive.verdicts if name in (one.challenger, one.incumbent)],
            rollouts=[one for one in archive.rollouts if name in (one.challenger, one.incumbent)],
            signals=[one for one in archive.signals if one.version == name],
        )

    return [models, model]


def signal_routes(house: House) -> list[HTTPRouteHandler]:
    """Signals: the list, and one of them."""
    loop = house.settings.name

    @get("/signals", sync_to_thread=True, include_in_schema=False)
    def signals() -> Html:
        """All signals, and where each detector stands."""
        archive = Archive(house)
        return page(
            "signals.html", here="signals", loop_name=loop, signals=archive.signals, measurements=archive.measurements
        )

    @get("/signals/{name:path}", sync_to_thread=True, include_in_schema=False)
    def signal(name: FromPath[str]) -> Html:
        """One signal."""
        archive = Archive(house)
        found = archive.signal(name.strip("/"))
        same = (m for m in archive.measurements if m.version == found.version and m.signal == found.signal)
        detector = next(same, None)
        outline = outline_of(detector) if detector else None
        return page("signal.html", here="signals", loop_name=loop, it=found, detector=detector, outline=outline)

    return [signals, signal]

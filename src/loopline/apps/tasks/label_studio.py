"""The words of Label Studio: the labelling interface, tasks as it imports them, answers as it exports them.

As its documentation has them under "Import pre-annotated data" and "Export annotations", and as 1.23 was seen to.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree

import msgspec

from loopline.apps.export.formats import kind_of
from loopline.records.settings import Settings
from loopline.records.signature import Signature
from loopline.records.task import Annotation, Task

ANSWER: Final = "label"
"""What the control is called that takes the answer."""
SHOWN: Final = "input"
"""What the tag is called that shows the sample."""
COMMENT: Final = "comment"
TASK: Final = "loopline_task"
"""The field of a task's ``data`` that says which of our tasks it is: every export of Label Studio keeps it."""
OURS: Final = "loopline"
"""The field of ``meta``, of a task and of a result, that holds what Label Studio itself has no word for."""
TAGS: Final = {"text": "Text", "image": "Image", "tabular": "Table"}
FIELDS: Final = {"text": "text", "image": "image", "tabular": "table"}
"""Input -> the field of ``data`` that its tag shows."""
KINDS: Final = {"png": "png", "jpg": "jpeg", "gif": "gif", "webp": "webp", "bmp": "bmp"}


def interface(settings: Settings) -> str:
    """The labelling interface of a project for this loop's tasks, as XML.

    ``Choices`` for one label or several; for a rating ``Rating``, whose stars stand for the labels in their order.
    """
    signature = settings.signature
    view = ElementTree.Element("View")
    field = FIELDS[signature.input]
    ElementTree.SubElement(view, TAGS[signature.input], name=SHOWN, value=f"${field}")
    if settings.annotate.question == "rating":
        told = ", ".join(f"{number} = {label}" for number, label in enumerate(signature.labels, start=1))
        ElementTree.SubElement(view, "Header", value=told)
        most = str(len(signature.labels))
        ElementTree.SubElement(view, "Rating", name=ANSWER, toName=SHOWN, maxRating=most, required="true")
    else:
        is_several = settings.annotate.question == "multiple"
        choices = ElementTree.SubElement(view, "Choices", name=ANSWER, toName=SHOWN)
        choices.set("choice", "multiple" if is_several else "single")
        if not is_several:  # of several labels, none may be right
            choices.set("required", "true")
        for label in signature.labels:
            ElementTree.SubElement(choices, "Choice", value=label)
    ElementTree.SubElement(view, "TextArea", name=COMMENT, toName=SHOWN, rows="2", maxSubmissions="1")
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def task_as_imported(task: Task, *, settings: Settings, said: Sequence[Annotation] = ()) -> dict[str, Any]:
    """One task as Label Studio imports it: with the suggestion that is shown, if one is, and with these answers.

    Whatever tells one stratum from another stays here: the same fields for all of them.
    """
    spelled: dict[str, Any] = {
        "data": {FIELDS[settings.signature.input]: _input(task.inputs, settings.signature), TASK: task.id},
        "meta": {OURS: {"loop": task.loop, "cycle": task.cycle}},
    }
    if task.suggestion:
        result = [_result(task.suggestion, settings)]
        spelled["predictions"] = [{"model_version": task.suggested_by, "result": result}]
    if said:
        spelled["annotations"] = [_annotation(one, settings) for one in said]
    return spelled


def _input(inputs: bytes, signature: Signature) -> object:
    row = signature.decode(inputs)
    if isinstance(row, bytes):
        kind = KINDS.get(kind_of(row), "png")
        return f"data:image/{kind};base64,{base64.b64encode(row).decode()}"
    return row if isinstance(row, str) else {f"x{place}": number for place, number in enumerate(row)}


def _annotation(said: Annotation, settings: Settings) -> dict[str, Any]:
    """An answer. Without ``ground_truth`` Label Studio takes it for true; its people are others than ours."""
    kept = {"id": said.id, "annotator": said.annotator, "at": said.at.isoformat()}
    result = [_result(said.label, settings, meta={OURS: kept})]
    if said.comment:
        region = {"from_name": COMMENT, "to_name": SHOWN, "type": "textarea"}
        result.append({**region, "value": {"text": [said.comment]}})
    return {"result": result, "lead_time": said.seconds, "was_cancelled": False, "ground_truth": False}


def _result(label: str, settings: Settings, **more: object) -> dict[str, Any]:
    """What the control of the interface would hold."""
    region: dict[str, Any] = {"from_name": ANSWER, "to_name": SHOWN}
    if settings.annotate.question == "rating":
        return {**region, "type": "rating", "value": {"rating": settings.signature.labels.index(label) + 1}, **more}
    several = settings.annotate.question == "multiple"
    chosen = msgspec.json.decode(label, type=list[str]) if several else [label]
    return {**region, "type": "choices", "value": {"choices": chosen}, **more}

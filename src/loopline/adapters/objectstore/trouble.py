"""What went wrong with a bucket, in words."""

import re

from loopline.adapters.objectstore.address import Address
from loopline.errors import Unavailable

MISSING = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
"""A bucket that is not there, as each cloud says it; all of them answer 404, as for an object that is not there."""

_SECRETS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "oss": "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_RULES = (
    (MISSING.pattern, "the bucket {bucket!r} does not exist", "create it or mend OBJECT_STORE"),
    (r"^169\.254\.|^metadata\.", "no credentials are given, and no machine role gives any", "set {secrets}"),
    (r"NotValidForName", "the certificate of {host} is for another host", "check the endpoint"),
    (r"InvalidCertificate", "the certificate of {host} is not trusted", "name its authority's file in AWS_CA_BUNDLE"),
    (r"dns error", "the host {host} is not known", "check the endpoint and the network"),
    (r"kind: Timeout|TimedOut|timed out", "{host} does not answer in time", "check the endpoint and the network"),
    (r"kind: Connect\b", "{host} cannot be reached", "check the endpoint, and that it runs"),
    (r"PermissionDenied|Unauthenticated", "may not {verb} the bucket {bucket!r}", "check {secrets} and their rights"),
    (r"status code: 404", "{host} knows no bucket {bucket!r}", "check OBJECT_STORE and the endpoint"),
    (r"edirect", "the bucket {bucket!r} lies elsewhere", "check AWS_REGION and AWS_ENDPOINT_URL"),
)
_CAUSES = (r"<Code>(\w+)</Code>", r"InvalidCertificate\(\s*(\w+)", r"kind: (ConnectionRefused|\w+Unreachable)")


def explain(error: Exception, *, address: Address, verb: str) -> Unavailable:
    """The error family and its sentence for what obstore raised. ``verb``: what was tried, such as ``write to``."""
    text = str(error)
    url = re.search(r"https?://([^/\s]+)\S*", text)
    host = url[1] if url else str(address)
    said = re.sub(r"https?://\S+", "", text)  # what people name their buckets is no symptom
    for pattern, reason, remedy in _RULES:
        if re.search(pattern, said) or re.search(pattern, host):
            words = {"bucket": address.bucket, "host": host, "verb": verb, "secrets": _SECRETS[address.scheme]}
            found = reason.format(**words) + _cause(said)
            return Unavailable(f"object store {address}", reason=found, remedy=remedy.format(**words))
    first = " ".join(re.sub(r"<[^>]*>", " ", said.partition("\n\nDebug source")[0]).split())
    return Unavailable(f"object store {address}", reason=first[:300], remedy="nothing was lost, try again")


def _cause(said: str) -> str:
    if MISSING.search(said):
        return ""
    found = next((match for cause in _CAUSES if (match := re.search(cause, said))), None)
    return f" ({found[1]})" if found else ""

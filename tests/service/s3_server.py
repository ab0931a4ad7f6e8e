"""An S3 server on the loopback, over TLS, which is as strict as the strictest stores: run by tests as a program.

``python s3_server.py FOLDER BUCKET...`` writes its authority to ``FOLDER/ca.pem``, appends a line for each request to
``FOLDER/requests``, and prints its port. It refuses ``aws-chunked`` bodies and conditional puts with 501, the bucket
``denied`` with 403, ``lost`` with 404, and the first try of each request to the bucket ``flaky`` with 503.
"""

import logging
import os
import ssl
import sys
from pathlib import Path

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


class Strict:
    """Stands before the application, and lets pass what every store understands."""

    def __init__(self, application, *, log):
        self.application, self.log, self.tried = application, log, set()

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        payload = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "-")
        self.log.write(f"{method} {path}?{environ.get('QUERY_STRING', '')} {payload}\n")
        if refusal := self.refusal(environ, asked=(method, path, environ.get("QUERY_STRING"))):
            status, code = refusal
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"].read(length)
            start_response(status, [("Content-Type", "application/xml")])
            return [ERROR.format(code=code).encode()]
        return self.application(environ, start_response)

    def refusal(self, environ, *, asked):
        encoding = environ.get("HTTP_CONTENT_ENCODING", "") + environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
        if "aws-chunked" in encoding or "STREAMING" in encoding or "HTTP_IF_NONE_MATCH" in environ:
            return "501 Not Implemented", "NotImplemented"
        if asked[1].startswith("/denied/"):
            return "403 Forbidden", "AccessDenied"
        if asked[1].startswith("/lost/"):
            return "404 Not Found", "NotHere"
        if asked[1].startswith("/flaky/") and asked not in self.tried:
            self.tried.add(asked)
            return "503 Service Unavailable", "SlowDown"
        return None


def serve(folder: Path, *buckets: str) -> None:
    os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    import trustme
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server
    from werkzeug.test import Client

    application = DomainDispatcherApplication(create_backend_app)
    for bucket in buckets:
        made = Client(application).put(f"/{bucket}", base_url="https://s3.amazonaws.com")
        assert made.status_code == 200, made.text
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with (folder / "requests").open("a", buffering=1) as log:
        strict = Strict(application, log=log)
        server = make_server("127.0.0.1", 0, strict, threaded=True, ssl_context=context)
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])

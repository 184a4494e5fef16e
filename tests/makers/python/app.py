"""The handler of all makers, in Python."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    IncomingRequest,
    Method_Get,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        if isinstance(request.method(), Method_Get):
            query = parse_qs(urlsplit(request.path_with_query() or "").query)
            name = query.get("q", ["world"])[0]
            answer = f"hello {name}\n".encode()
        else:
            answer = read(request)
        response = OutgoingResponse(Fields())
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            for start in range(0, len(answer), 4096):
                stream.blocking_write_and_flush(answer[start : start + 4096])
        OutgoingBody.finish(body, None)


def read(request: IncomingRequest) -> bytes:
    body = request.consume()
    pieces = []
    with body.stream() as stream:
        while True:
            try:
                pieces.append(stream.blocking_read(65536))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    break
                raise
    IncomingBody.finish(body)
    return b"".join(pieces)

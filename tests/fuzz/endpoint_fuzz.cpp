// Endpoints and links: what is accepted reads the same when it is written again.
#include "core/endpoint.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  const std::string_view text = text_of(input);
  if (const auto endpoint = parse_endpoint(text)) {
    const auto again = parse_endpoint(endpoint->text());
    demand(again && *again == *endpoint, "an endpoint survives its text");
    demand(endpoint->port != 0 && endpoint->text().size() <= 300, "bounds of an endpoint");
    demand(again->is_public() == endpoint->is_public(), "one answer");
  }
  if (const auto listen = parse_listen(text)) {
    const auto again = parse_listen(listen->text());
    demand(again && *again == *listen, "a place to listen survives its text");
  }
  if (const auto link = parse_link(text)) {
    const auto again = parse_link(link->text());
    demand(again && again->text() == link->text(), "a link survives its text");
    demand(again->identity == link->identity && again->transport == link->transport,
           "the same keys");
  }
}

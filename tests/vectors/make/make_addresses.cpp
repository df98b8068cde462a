// Addresses, endpoints and links.
#include "core/address.h"
#include "core/endpoint.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

const auto kIdentity = filled<core::IdentityKey>(0x11);
const auto kTransport = filled<core::TransportKey>(0x22);

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

/// The text of a key with another version, its checksum in order.
std::string other_version() {
  Bytes all(kIdentity.bytes.begin(), kIdentity.bytes.end());
  const std::uint8_t version = 2;
  const auto digest = core::hash(core::Context{"p2pmail/address"}, {kIdentity, {&version, 1}});
  all.insert(all.end(), {digest.bytes[0], digest.bytes[1], version});
  return core::to_base32(all);
}

void address(const Kit& kit, const std::string& name, const std::string& text,
             const std::string& local, const std::string& folder, std::string_view comment) {
  kit.add("address", name, "ok", comment)
      .text("text", text)
      .hex("identity", kIdentity)
      .text("local", local)
      .text("folder", folder)
      .text("written", core::Address{local, folder, kIdentity}.text());
}

void bad_address(const Kit& kit, const std::string& name, const std::string& text,
                 std::string_view comment) {
  kit.add("address", name, "malformed", comment).text("text", text);
}

void endpoint(const Kit& kit, const std::string& name, const std::string& text,
              const std::string& written, bool is_public, std::string_view comment) {
  kit.add("endpoint", name, "ok", comment)
      .text("text", text)
      .text("written", written)
      .number("public", is_public ? 1 : 0);
}

void bad_endpoints(const Kit& kit) {
  const std::string label(63, 'a');
  const std::vector<std::array<std::string, 3>> bad = {
      {"no-scheme", "192.0.2.1:4321", "No scheme."},
      {"udp", "udp://192.0.2.1:4321", "Another scheme."},
      {"no-port", "tcp://192.0.2.1", "No port."},
      {"port-0", "tcp://192.0.2.1:0", "Port 0."},
      {"port-65536", "tcp://192.0.2.1:65536", "A port above 65535."},
      {"port-with-zero", "tcp://192.0.2.1:04321", "A leading zero."},
      {"ip4-zeros", "tcp://192.0.02.1:4321", "A leading zero in an IPv4 address."},
      {"ip4-short", "tcp://127.1:4321", "A shorthand of an IPv4 address."},
      {"ip4-hex", "tcp://0x7f000001:4321", "An IPv4 address in hex."},
      {"ip4-wildcard", "tcp://0.0.0.0:4321", "A wildcard."},
      {"ip6-wildcard", "tcp://[0:0::0]:4321", "A wildcard in another spelling."},
      {"ip6-mapped-wildcard", "tcp://[::ffff:0.0.0.0]:4321", "The IPv4 wildcard inside IPv6."},
      {"ip6-zone", "tcp://[fe80::1%eth0]:4321", "A zone."},
      {"ip6-bare", "tcp://2001:db8::1:4321", "An IPv6 address without brackets."},
      {"star", "tcp://*:4321", "A wildcard that is for listening."},
      {"source", "tcp://192.0.2.1:1;192.0.2.2:4321", "A source address."},
      {"query", "tcp://example.org:4321?x", "A query."},
      {"label-64", "tcp://" + label + "a:4321", "A label of 64 characters."},
      {"trailing-dot", "tcp://example.org.:4321", "An empty label at the end."},
      {"hyphen", "tcp://-example.org:4321", "A label that begins with a hyphen."},
      {"underscore", "tcp://a_b.example:4321", "A character that labels do not have."},
      {"onion-short", "tcp://abc.onion:4321", "Not an onion name, and not to be asked of the DNS."},
      {"space", "tcp://example.org :4321", "A space."},
      {"long", "tcp://" + label + "." + label + "." + label + "." + label + ".example:4321",
       "A name of 263 characters."},
  };
  for (const auto& [name, text, comment] : bad) {
    core::check(!core::parse_endpoint(text));
    kit.add("endpoint", name, "malformed", comment).text("text", text);
  }
}

void good_endpoints(const Kit& kit) {
  const std::string onion(56, 'b');
  endpoint(kit, "ip4", "tcp://8.8.4.4:1", "tcp://8.8.4.4:1", true, "A global IPv4 address.");
  endpoint(kit, "ip4-private", "tcp://192.168.1.2:65535", "tcp://192.168.1.2:65535", false,
           "A private one.");
  endpoint(kit, "ip4-loopback", "tcp://127.0.0.1:4321", "tcp://127.0.0.1:4321", false, "Oneself.");
  endpoint(kit, "ip4-shared", "tcp://100.64.0.1:4321", "tcp://100.64.0.1:4321", false,
           "The shared address space of RFC 6598.");
  endpoint(kit, "ip6", "tcp://[2A00::1]:4321", "tcp://[2a00::1]:4321", true,
           "A global IPv6 address: lower case is written.");
  endpoint(kit, "ip6-documentation", "tcp://[2001:db8::1]:4321", "tcp://[2001:db8::1]:4321", false,
           "RFC 3849.");
  endpoint(kit, "ip6-documentation-2", "tcp://[3fff:fff::1]:4321", "tcp://[3fff:fff::1]:4321",
           false, "RFC 9637.");
  endpoint(kit, "ip6-6to4", "tcp://[2002:a00::1]:4321", "tcp://[2002:a00::1]:4321", false,
           "It carries any IPv4 address.");
  endpoint(kit, "ip6-link-local", "tcp://[fe80::1]:4321", "tcp://[fe80::1]:4321", false,
           "Outside 2000::/3.");
  endpoint(kit, "name", "tcp://Mail.Example.ORG:4321", "tcp://mail.example.org:4321", false,
           "A name is not dialed for strangers.");
  endpoint(kit, "name-digits", "tcp://1.2.3.4a:4321", "tcp://1.2.3.4a:4321", false,
           "Only the last label must not be a number.");
  endpoint(kit, "onion", "tcp://" + onion + ".onion:4321", "tcp://" + onion + ".onion:4321", true,
           "An onion name.");
}

void make_links(const Kit& kit) {
  const std::string identity = core::key_text(kIdentity);
  const std::string transport = core::transport_text(kTransport);
  const auto good = [&](const std::string& name, const std::string& text,
                        std::string_view comment) {
    const auto link = core::parse_link(text);
    kit.add("link", name, "ok", comment)
        .text("text", text)
        .hex("identity", kIdentity)
        .hex("transport", kTransport)
        .text("endpoint", link->endpoint.text())
        .text("written", link->text());
  };
  good("ip4", "p2pmail://" + identity + "/" + transport + "@192.0.2.1:4321", "An IPv4 address.");
  good("ip6", "p2pmail://" + identity + "/" + transport + "@[2001:db8::1]:4321", "Brackets stay.");
  good("upper-case", "p2pmail://" + upper(identity) + "/" + upper(transport) + "@EXAMPLE.org:4321",
       "Keys and host in upper case.");
  const auto bad = [&](const std::string& name, const std::string& text, std::string_view comment) {
    core::check(!core::parse_link(text));
    kit.add("link", name, "malformed", comment).text("text", text);
  };
  bad("scheme", "P2PMAIL://" + identity + "/" + transport + "@192.0.2.1:4321",
      "The scheme in upper case.");
  bad("swapped", "p2pmail://" + transport + "/" + identity + "@192.0.2.1:4321",
      "The two keys in each other's place: the contexts tell.");
  bad("one-key", "p2pmail://" + identity + "@192.0.2.1:4321", "No transport key.");
  bad("no-port", "p2pmail://" + identity + "/" + transport + "@192.0.2.1", "No port.");
  bad("at-first", "p2pmail://@" + identity + "/" + transport + "@192.0.2.1:4321",
      "An @ before the first slash.");
}

}  // namespace

void make_addresses(const Kit& kit) {
  const std::string key = core::key_text(kIdentity);
  const std::string local(64, 'x');
  address(kit, "plain", "alice@" + key + ".p2pmail.alt", "alice", "", "As it is written.");
  address(kit, "folder", "alice+lists@" + key + ".p2pmail.alt", "alice", "lists", "With a folder.");
  address(kit, "upper-case", "Alice@" + upper(key) + ".P2PMAIL.Alt", "Alice", "",
          "The case of the domain does not matter; that of the local part stays.");
  address(kit, "atext", "a.b!#$%&'*/=?^_`{|}~-@" + key + ".p2pmail.alt", "a.b!#$%&'*/=?^_`{|}~-",
          "", "All of RFC 5322's atext but +.");
  address(kit, "local-64", local + "@" + key + ".p2pmail.alt", local, "",
          "The longest local part.");
  std::string typo = key;
  typo[20] = typo[20] == 'a' ? 'b' : 'a';
  bad_address(kit, "typo", "alice@" + typo + ".p2pmail.alt", "The checksum does not fit.");
  bad_address(kit, "version-2", "alice@" + other_version() + ".p2pmail.alt",
              "Another version, with a checksum that fits.");
  bad_address(kit, "transport-key",
              "alice@" + core::transport_text(core::TransportKey{kIdentity.bytes}) + ".p2pmail.alt",
              "The checksum of the other context.");
  bad_address(kit, "short", "alice@" + key.substr(1) + ".p2pmail.alt", "55 characters.");
  bad_address(kit, "digit-1", "alice@1" + key.substr(1) + ".p2pmail.alt", "Not base32.");
  bad_address(kit, "subdomain", "alice@x." + key + ".p2pmail.alt", "One label too many.");
  bad_address(kit, "other-domain", "alice@" + key + ".example", "Another domain.");
  bad_address(kit, "no-at", key + ".p2pmail.alt", "No @.");
  bad_address(kit, "no-local", "@" + key + ".p2pmail.alt", "No local part.");
  bad_address(kit, "local-65", local + "x@" + key + ".p2pmail.alt", "A local part of 65.");
  bad_address(kit, "two-dots", "a..b@" + key + ".p2pmail.alt", "Two dots.");
  bad_address(kit, "dot-first", ".a@" + key + ".p2pmail.alt", "A dot first.");
  bad_address(kit, "no-folder", "a+@" + key + ".p2pmail.alt", "A folder of no characters.");
  bad_address(kit, "two-folders", "a+b+c@" + key + ".p2pmail.alt", "A folder has no +.");
  bad_address(kit, "quoted", "\"a b\"@" + key + ".p2pmail.alt", "A quoted local part.");
  good_endpoints(kit);
  bad_endpoints(kit);
  make_links(kit);
}

}  // namespace p2pmail::vectors

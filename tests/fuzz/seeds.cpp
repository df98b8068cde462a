// Writes a few valid inputs for each target, so that fuzzing starts inside of the formats:
//   fuzz_seeds DIRECTORY    makes DIRECTORY/<target>/<name>
// Keys are those of fuzz.h, so that signatures fit and envelopes open.
#include <fmt/format.h>

#include <cstdio>

#include "core/address.h"
#include "core/capsule.h"
#include "core/card.h"
#include "core/ticket.h"
#include "core/cbor.h"
#include "core/endpoint.h"
#include "core/envelope.h"
#include "core/file.h"
#include "core/queue.h"
#include "core/receipt.h"
#include "core/sealed_file.h"
#include "core/segments.h"
#include "core/text.h"
#include "net/message.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMail =
    "From: =?utf-8?q?Al=C3=AD?= <a@example.alt>\nTo: \"B, C\" <b@example.alt>, c@example.alt\n"
    "Cc: Friends: d@example.alt, e@example.alt;\nSubject: =?iso-8859-1?b?4fM=?=\n lunch\n"
    "Date: Tue, 14 Nov 2023 23:13:20 +0100\nMessage-ID: <1@example.alt>\n"
    "In-Reply-To: <0@example.alt>\nReferences: <00@example.alt>\n <0@example.alt>\n"
    "MIME-Version: 1.0\n";
constexpr std::string_view kParts =
    "Content-Type: multipart/mixed; boundary=\"b\"\n\nfor nobody\n--b\n"
    "Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: quoted-printable\n\n"
    "caf=E9 =\nsoft\n--b\nContent-Type: text/html; "
    "charset=utf-16\n\n<p>&lt;hi&gt;<script>x</script>\n"
    "--b\nContent-Type: application/pdf; name*=utf-8''%e2%82%ac.pdf\n"
    "Content-Disposition: attachment; filename*0=\"a\"; filename*1=\"b.pdf\"\n"
    "Content-Transfer-Encoding: base64\n\nAAECAw==\n--b\nContent-Type: message/rfc822\n\n"
    "From: x@example.alt\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nplain\n--c--\n"
    "--b\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 f\n#0V%T\n`\nend\n--b--\nafter\n";

class Writer {
 public:
  explicit Writer(fs::path root) : root_(std::move(root)) {}
  void add(const char* target_name, const char* name, ByteView bytes) {
    fs::create_directories(root_ / target_name);
    write_scratch(root_ / target_name / name, bytes);
  }
  void add(const char* target_name, const char* name, std::string_view text) {
    add(target_name, name, bytes_of(text));
  }

 private:
  fs::path root_;
};

Bytes record_with_everything() {
  DeviceRecord record = alice().card.records[0].value;
  record.sequence = 7;
  record.endpoints = {*parse_endpoint("tcp://192.0.2.1:4444"),
                      *parse_endpoint("tcp://[2001:db8::1]:5")};
  record.relays = {{bob().key(), bob().card.records[0].value.transport, record.endpoints}};
  record.stamp_bits = 20;
  return sign_record(record, alice().devices[0].signing).bytes;
}

Roster roster_with_tombstone() {
  Roster roster = alice().card.roster.value;
  roster.name = "Alice";
  roster.sequence = 2;
  roster.tombstones.push_back({bob().devices[0].device, TombstoneReason::kCompromised});
  return roster;
}

void add_cards(Writer& out) {
  Card card = alice().card;
  out.add("card", "card", encode_card(card));
  out.add("card", "roster", card.roster.bytes);
  out.add("card", "record", record_with_everything());
  card.roster = sign_roster(roster_with_tombstone(), alice().identity.secret);
  card.records[0] = *decode_record(record_with_everything());
  out.add("card", "full", encode_card(card));
  out.add("cardtext", "text", card_text(card));
  out.add("cbor", "card", encode_card(card));
  out.add("cbor", "map",
          encode_cbor(Value{{"b", binary(bytes_of("bytes"))},
                            {"d", binary(Digest{})},
                            {"l", {1U, 2U}},
                            {"n", 50U},
                            {"o", true},
                            {"t", "text"}}));
}

void add_names(Writer& out) {
  const IdentityKey& key = alice().key();
  out.add("address", "key", key_text(key));
  out.add("address", "transport", transport_text(alice().card.records[0].value.transport));
  out.add("address", "address", Address{"alice", "lists", key}.text());
  const Endpoint endpoint = *parse_endpoint("tcp://192.0.2.1:4444");
  const TransportKey& transport = alice().card.records[0].value.transport;
  out.add("endpoint", "link", Link{key, transport, endpoint}.text());
  for (const char* text : {"tcp://192.0.2.1:4444", "tcp://[2001:db8::1]:5", "tcp://a-b.example:1",
                           "tcp://*:0", "tcp://[::ffff:10.0.0.1]:9"})
    out.add("endpoint", to_hex(bytes_of(text)).c_str(), text);
  out.add("text", "name", "\x08../\xe2\x80\xaegnp.exe\x1b[2J");
  out.add("text", "wide", "\x03\xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xf0\x9f\x91\xa9.tar.gz");
  out.add("text", "armor", "x" + armor("CARD", bytes_of("some bytes of a card")));
  out.add("maildir", "flags", "FS\\\\1700000000.M1P2.host:2,FSa");
  out.add("maildir", "folder", ".Lists.work");
}

EnvelopeBody body_of(const SymmetricKey& key) {
  EnvelopeBody body;
  body.sender = alice().key();
  body.sender_device = alice().devices[0].device;
  body.recipient = bob().key();
  body.size = sealed_size(padded_size(100));
  body.time = test::kTestTime;
  body.subject = "Lunch";
  body.sender_card = encode_card(alice().card);
  body.payload_key = key.clone();
  return body;
}

/// A received message and a sent one, as the maps inside of their capsules.
void add_capsules(Writer& out, const OpenedEnvelope& opened) {
  Value map{{"b", binary(opened.signed_body)},
            {"d", binary(bob().devices[0].device)},
            {"f", "Lists"},
            {"h", binary(opened.header_hash)},
            {"i", binary(message_id(fixed_key(), alice().key(), {}))},
            {"k", binary(fixed_key().view())},
            {"n", binary(alice().key())},
            {"r", binary(Root{})},
            {"s", binary(Signature{})},
            {"su", "Lunch"},
            {"t", 1000U},
            {"v", 1U},
            {"x", Value::array()},
            {"y", 1U},
            {"z", Value()}};
  std::array<std::uint8_t, 8> size{};
  put_be(size.data(), opened.body.size);
  map["z"] = binary(size);
  out.add("capsule", "received", encode_cbor(map));
  map["b"] = binary({});
  map["n"] = binary(bob().key());
  map["i"] = binary(message_id(fixed_key(), bob().key(), {}));
  map["v"] = 0U;
  map["x"] = Value::array({binary(alice().key())});
  out.add("capsule", "sent", encode_cbor(map));
}

void add_envelopes(Writer& out) {
  const Bytes envelope = *seal_envelope(body_of(fixed_key()), prekeys_of(bob().card),
                                        make_agree_pair(), alice().devices[0].signing);
  const OpenedEnvelope opened = std::move(*open_envelope(envelope, bob().devices[0]));
  out.add("envelope", "envelope", envelope);
  out.add("envelope", "body", opened.signed_body);
  add_capsules(out, opened);
  Receipt receipt;
  receipt.sender = alice().key();
  receipt.recipient = bob().key();
  receipt.device = bob().devices[0].device;
  receipt.time = test::kTestTime;
  out.add("receipt", "receipt", sign_receipt(receipt, bob().devices[0].signing));
}

void add_tickets(Writer& out) {
  Deposit deposit;
  deposit.deletions.resize(2);
  deposit.size = sealed_size(padded_size(100));
  out.add("ticket", "stamp", encode_admission({7, std::nullopt}));
  out.add("ticket", "deposit", encode_admission({7, deposit}));
  out.add("ticket", "held", encode_held(test::kTestTime));
  out.add("ticket", "question", encode_question(relay_key_of(fixed_key()), true));
  out.add("ticket", "answer", encode_answer({HeldState::kRefused, 9, Bytes(40, 1), Bytes(60, 2)}));
  out.add("ticket", "receipt",
          encode_relayed_receipt(relay_key_of(fixed_key()), bob().devices[0].device, Bytes(90, 3)));
}

void add_keys(Writer& out) {
  out.add("keys", "device", encode_device_keys(alice().devices[0]).view());
  const auto& identity = alice().identity;
  out.add("keys", "identity",
          *seal_key(KeyKind::kIdentity, identity.public_key, identity.secret.view(), nullptr, {}));
  const SecretBytes passphrase(4);
  out.add("keys", "store",
          *seal_key(KeyKind::kStore, store_pair().public_key, store_pair().secret.view(),
                    &passphrase, {1, 8192}));
}

void add_files(Writer& out) {
  out.add("queue", "entry",
          encode_cbor(Value{{"i", binary(MessageId{})},
                            {"k", binary(fixed_key().view())},
                            {"l", false},
                            {"m", 700U},
                            {"q", binary(bob().key())},
                            {"r", binary(Root{})},
                            {"s", "Lunch"},
                            {"t", 1000U},
                            {"z", 4112U}}));
  Bytes head(16);
  put_be<std::uint32_t>(head.data(), 1);
  put_be<std::uint32_t>(head.data() + 4, 7);
  put_be<std::uint64_t>(head.data() + 8, 6);
  const std::string region = std::string(kMagic) + std::string(text_of(head)) + "capsulestream";
  OuterHeader outer;
  outer.fields = *parse_header(kMail);
  out.add("sealedfile", "bare", region);
  out.add("sealedfile", "whole", sealed_prefix(outer) + region + "\n--b--\n");
  Bytes stub(44, 1);  // offset and name of the blob at its end
  std::copy(head.begin(), head.end(), stub.begin());
  put_be<std::uint32_t>(stub.data(), 2);
  put_be<std::uint64_t>(stub.data() + 16, 700);
  out.add("sealedfile", "stub",
          sealed_prefix(outer) + std::string(kMagic) + std::string(text_of(stub)) + "capsule\n--b--\n");
  Bytes record(32 + 8, 0);  // key and time
  for (const std::string_view name : {"\x05INBOX", "\x04name"}) append(record, bytes_of(name));
  append(record, Bytes{0, 51});  // FuzzedDataProvider takes a size from the end
  out.add("journal", "record", record);
  out.add("journal", "empty", "p2pmailJ");
}

void add_mail(Writer& out) {
  const std::string mail = std::string(kMail) + std::string(kParts);
  out.add("mime", "parts", mail);
  out.add("mime", "html", std::string(kMail) + "Content-Type: text/html\n\n<b>hi</b>&amp;\n");
  out.add("header", "mail", kMail);
  out.add("header", "part",
          "Content-Type: text/plain; charset=\"x\"; boundary=b\nContent-Disposition:"
          " attachment; filename*=utf-8''%41.txt\n");
  out.add("outerheader", "mail", "\x01" + std::string(kMail));
  out.add("charset", "html", "utf-8\\\\<p>a&eacute;&#x41;<br><style>x</style>b</p>");
  out.add("charset", "latin", "iso-8859-1\\\\caf\xe9");
  // Read from the end: size, whether to pad, trailer, damage; the rest is the start of the letter.
  const Bytes preamble = encode_cbor(
      Value{{"c", 0U}, {"i", binary(Bytes(16))}, {"m", "message/rfc822"}, {"t", 1000U}, {"v", 1U}});
  Bytes letter = {1, 2, 3, 4, 5, 6, 7, 8, 0, static_cast<std::uint8_t>(preamble.size())};
  append(letter, preamble);
  append(letter, bytes_of("Subject: hi\n\nhello\n"));
  append(letter, Bytes{0, 19, 1, 0x00, 0x01, 0x00});
  out.add("letter", "letter", letter);

  Bytes body;
  SegmentWriter writer;
  const auto collect = [&body](ByteView bytes) { return append(body, bytes), Status{}; };
  check(writer.write(Bytes(4000, 'a'), collect) && writer.finish(collect));
  out.add("segments", "segments", body);
}

void add_messages(Writer& out) {
  for (int verb = 0; verb < 10; ++verb) {
    net::Message message;
    message.verb = static_cast<net::Verb>(verb);
    message.number = message.credit = message.index = 1;
    message.size = message.envelope_size = 100;
    message.inlined = true;
    out.add("message", fmt::format("verb{}", verb).c_str(), net::encode_message(message).head);
  }
  for (std::uint8_t fill = 0; fill < 4; ++fill) {
    Bytes script(120);
    for (std::size_t i = 0; i < script.size(); ++i)
      script[i] = static_cast<std::uint8_t>(i * (fill * 2U + 3U) + fill);
    out.add("session", fmt::format("script{}", fill).c_str(), script);
  }
}

}  // namespace
}  // namespace p2pmail::fuzz

int main(int argc, char** argv) {
  using namespace p2pmail::fuzz;
  if (argc != 2) {
    std::fputs("usage: fuzz_seeds DIRECTORY\n", stderr);
    return 64;
  }
  make_deterministic();
  reseed(1);
  Writer out(argv[1]);
  add_cards(out);
  add_names(out);
  add_envelopes(out);
  add_tickets(out);
  add_keys(out);
  add_files(out);
  add_mail(out);
  add_messages(out);
  return 0;
}

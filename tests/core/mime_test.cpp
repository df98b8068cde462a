// Messages: what is composed arrives byte for byte, and no message, however it was made, can crash,
// exhaust or mislead the reader. Longer than other files, because composing and reading are tried
// against each other with one set of helpers.
#include "core/mime.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace p2pmail::core {
namespace {

using namespace std::string_literals;

Sink into(std::string& out) {
  return [&out](ByteView bytes) -> Status {
    out += text_of(bytes);
    return {};
  };
}

/// A descriptor from which `content` is read.
Fd file_of(const std::string& content) {
  Fd fd(memfd_create("input", MFD_CLOEXEC));
  EXPECT_TRUE(write_at(fd.get(), 0, bytes_of(content), "input"));
  return fd;
}

/// Gives a few bytes per call, as a slow source may.
MessageSource source_of(const std::string& text, std::size_t at_once = SIZE_MAX) {
  return {text.size(), [&text, at_once](std::uint64_t offset, ByteSpan out) -> Result<std::size_t> {
            const auto piece = std::string_view(text).substr(offset, std::min(at_once, out.size()));
            std::copy(piece.begin(), piece.end(), out.begin());
            return piece.size();
          }};
}

Message parsed(const std::string& text) {
  auto message = Message::parse(source_of(text));
  EXPECT_TRUE(message);
  return std::move(message).value();
}

std::string part(const Message& message, int number) {
  std::string content;
  EXPECT_TRUE(message.write_part(number, into(content)));
  return content;
}

std::string textual(const std::string& text) {
  std::string out;
  EXPECT_TRUE(parsed(text).write_textual(into(out)));
  EXPECT_EQ(out.find('\0'), std::string::npos);
  return out;
}

Code parse_error(const std::string& text) {
  auto message = Message::parse(source_of(text));
  EXPECT_FALSE(message);
  return message ? Code::kUsage : message.error().code;
}

Draft draft() {
  Draft draft;
  draft.from = {"Alice", "alice@example.alt"};
  draft.to = {{"", "bob@example.alt"}};
  draft.subject = "hello";
  draft.message_id = "1@example.alt";
  draft.time = 1700000000;
  return draft;
}

std::string composed(const Draft& draft) {
  std::string text;
  EXPECT_TRUE(compose(draft, into(text)));
  return text;
}

std::string with_body(const std::string& body) {
  const Fd fd = file_of(body);
  Draft message = draft();
  message.body_fd = fd.get();
  return composed(message);
}

/// A message with one attachment.
std::string with_attachment(const std::string& name, const std::string& content,
                            const std::string& body = "see there\n") {
  const Fd body_fd = file_of(body), fd = file_of(content);
  Draft message = draft();
  message.body_fd = body_fd.get();
  message.attachments.push_back({"dir/" + name, name, fd.get()});
  return composed(message);
}

bool has(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

std::string every_byte() {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  return all + "\r\n\n\r\r\nFrom me\n.\n--\n" + all;
}

TEST(Compose, WritesTheHeader) {
  setenv("TZ", "UTC-1", 1);
  tzset();
  Draft message = draft();
  message.cc = {{"Carol", "carol@example.alt"}};
  message.in_reply_to = "0@example.alt";
  EXPECT_EQ(composed(message),
            "From: Alice <alice@example.alt>\nTo: bob@example.alt\nCc: Carol <carol@example.alt>\n"
            "Subject: hello\nDate: Tue, 14 Nov 2023 23:13:20 +0100\nMessage-ID: <1@example.alt>\n"
            "In-Reply-To: <0@example.alt>\nReferences: <0@example.alt>\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n");
}

TEST(Compose, HeaderComesBackAsItWas) {
  Draft message = draft();
  message.subject =
      "Gr\xc3\xbc\xc3\x9f"
      "e =?utf-8?q?not_encoded?= \xf0\x9f\x98\x80 " +
      std::string(300, 'x');
  message.from.name = "Alice \"the\" M\xc3\xbcller, (Dr.) <x@y>";
  const auto header = parse_header(composed(message));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->subject, message.subject);
  ASSERT_EQ(header->from.size(), 1u);
  EXPECT_EQ(header->from[0].name, message.from.name);
  EXPECT_EQ(header->from[0].address, "alice@example.alt");
  EXPECT_EQ(header->time, message.time);
}

TEST(Compose, DeclaresWhatTheBodyIs) {
  const std::pair<std::string, const char*> bodies[] = {
      {"plain\n", "utf-8\nContent-Transfer-Encoding: 7bit\n"},
      {"cr\r\nlf\r\n", "utf-8\nContent-Transfer-Encoding: 7bit\n"},
      {"gr\xc3\xbcn\n", "utf-8\nContent-Transfer-Encoding: 8bit\n"},
      {"gr\xfcn\n", "unknown-8bit\nContent-Transfer-Encoding: 8bit\n"},
      {"a\0b\n"s, "utf-8\nContent-Transfer-Encoding: binary\n"},
      {"bare\rcr\n", "utf-8\nContent-Transfer-Encoding: binary\n"},
      {std::string(998, 'x') + "\n", "utf-8\nContent-Transfer-Encoding: 7bit\n"},
      {std::string(999, 'x') + "\n", "utf-8\nContent-Transfer-Encoding: binary\n"}};
  for (const auto& [body, declared] : bodies) EXPECT_TRUE(has(with_body(body), declared)) << body;
}

TEST(Compose, BodyArrivesExactly) {
  for (const std::string& body : {""s, "x"s, "x\n"s, "From me\n.\n"s, "a\r\n\n\r"s, every_byte(),
                                  std::string(65536, 'x'), std::string(200'000, '\n')}) {
    const std::string text = with_body(body);
    EXPECT_TRUE(part(parsed(text), 1) == body);
  }
}

TEST(Compose, CharacterAcrossTheLookAheadIsStillUtf8) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string body(65536 - 4 + shift, 'x');
    for (int i = 0; i < 10; ++i) body += "\xf0\x9f\x98\x80";
    EXPECT_TRUE(has(with_body(body), "charset=utf-8")) << shift;
  }
}

TEST(Compose, ReadsAPipeToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string body(300'000, 'p');
  std::thread writer([&, out = Fd(ends[1])] {
    for (std::size_t at = 0; at < body.size(); at += 1000)
      EXPECT_EQ(write(out.get(), body.data() + at, 1000), 1000);
  });
  const Fd in(ends[0]);
  Draft message = draft();
  message.body_fd = in.get();
  const std::string text = composed(message);
  writer.join();
  EXPECT_EQ(part(parsed(text), 1), body);
}

TEST(Compose, AttachmentsArriveExactly) {
  for (const char* name : {"a.txt", "a.bin", "a.eml", "a.html"}) {
    for (const std::string& content :
         {""s, "\n"s, "From x\r\n"s, every_byte(), std::string(200'000, '\r')}) {
      const std::string text = with_attachment(name, content);
      const Message message = parsed(text);
      ASSERT_EQ(message.parts().size(), 2u);
      EXPECT_EQ(part(message, 1), "see there\n");
      EXPECT_TRUE(part(message, 2) == content) << name;
    }
  }
}

TEST(Compose, GuessesTypesOfAttachments) {
  const std::pair<const char*, const char*> types[] = {
      {"a.PDF", "application/pdf"},      {"a.eml", "application/octet-stream"},
      {"a", "application/octet-stream"}, {"txt", "application/octet-stream"},
      {"a.b.txt", "text/plain"},         {"a.", "application/octet-stream"}};
  for (const auto& [name, type] : types) {
    const std::string text = with_attachment(name, "x");
    EXPECT_EQ(parsed(text).parts().at(1).type, type) << name;
  }
}

TEST(Compose, FileNamesComeBackAsTheyWere) {
  for (const std::string& name : {"a \"b\" \\c;.txt"s, "\xc3\xbc\xf0\x9f\x98\x80.pdf"s,
                                  std::string(250, 'n'), "100%.txt"s, "'=?utf-8?q?x?='"s}) {
    const std::string text = with_attachment(name, "x");
    const Message message = parsed(text);
    EXPECT_EQ(message.parts().at(1).file_name, name);
    EXPECT_TRUE(message.parts().at(1).is_attachment);
    EXPECT_FALSE(message.parts().at(0).is_attachment);
  }
}

TEST(Compose, UnreadableFileIsAnErrorThatNamesIt) {
  const Fd directory(open("/", O_RDONLY | O_CLOEXEC));
  Draft message = draft();
  message.attachments.push_back({"some/where", "where", directory.get()});
  std::string out;
  auto done = compose(message, into(out));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kIo);
  EXPECT_TRUE(has(done.error().context, "some/where"));
  message = draft();
  message.body_fd = directory.get();
  EXPECT_FALSE(compose(message, into(out)));
}

TEST(Compose, ErrorOfTheSinkComesBackWhereverItHappens) {
  const Fd body = file_of("body"), file = file_of("file");
  Draft message = draft();
  message.body_fd = body.get();
  message.attachments.push_back({"f", "f", file.get()});
  for (int fail_at = 0; fail_at < 5; ++fail_at) {
    lseek(body.get(), 0, SEEK_SET);
    lseek(file.get(), 0, SEEK_SET);
    int calls = 0;
    auto done = compose(message, [&](ByteView) -> Status {
      return calls++ == fail_at ? Status(Error{Code::kNoSpace, "full"}) : Status();
    });
    ASSERT_FALSE(done) << fail_at;
    EXPECT_EQ(done.error().code, Code::kNoSpace);
  }
}

TEST(ParseHeader, ReadsFields) {
  const auto header = parse_header(
      "From: =?utf-8?q?B=C3=BCro?= <a@b.alt>\r\nTo: Group: c@d.alt, \"E, F\" <e@f.alt>;\r\n"
      "Subject: one\r\n two =?iso-8859-1?q?=FC?=\r\nDate: Tue, 14 Nov 2023 23:13:20 +0100\r\n"
      "Message-Id: <m@x>\r\nIn-Reply-To: <r@x>\r\nReferences: <q@x>\r\n <r@x>\r\n\r\nFrom: "
      "no@no\r\n");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->from.at(0).name, "B\xc3\xbcro");
  ASSERT_EQ(header->to.size(), 2u);
  EXPECT_EQ(header->to[1].name, "E, F");
  EXPECT_EQ(header->subject, "one two \xc3\xbc");
  EXPECT_EQ(header->time, 1700000000u);
  EXPECT_EQ(header->message_id, "m@x");
  EXPECT_EQ(header->in_reply_to, "r@x");
  EXPECT_EQ(header->references, (std::vector<std::string>{"q@x", "r@x"}));
  EXPECT_EQ(header->from.size(), 1u);
}

TEST(ParseHeader, NothingIsNoHeader) {
  for (const std::string& text : {""s, "\n"s, "\r\nFrom: a@b\n"s, "no header\n"s, ": x\n"s,
                                  " From: a@b\n"s, "\0"s, "\xff: x\n"s})
    EXPECT_FALSE(parse_header(text)) << text;
}

TEST(ParseHeader, CutAnywhereItHoldsWhatIsThere) {
  const std::string text = "From: =?utf-8?b?w7w=?= <a@b.alt>\nTo: \"x\" <c@d.alt>\nSubject: s\n\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const auto header = parse_header(std::string_view(text).substr(0, size));
    EXPECT_EQ(header.has_value(), size >= 5) << size;
  }
}

TEST(ParseHeader, TwoFromFieldsAreNotOne) {
  const auto header = parse_header("From: a@b.alt\nfrom: evil@c.alt\n\n");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->from.size(), 2u);
}

TEST(ParseHeader, NulHidesNothing) {
  const auto header = parse_header("Subject: a\0b\nFrom: a@b.alt\0, evil@c.alt\n\n"s);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->subject, "a?b");
  EXPECT_FALSE(header->from.size() == 1 && header->from[0].address == "a@b.alt");
}

TEST(ParseHeader, EightBitAndBrokenEncodingsGiveUtf8) {
  for (const char* value : {"gr\xfcn", "\xc3\xbc", "=?utf-8?q?=FF=FE?=", "=?nonsense?q?=FF?=",
                            "=?utf-8?b?////?=", "=?utf-8?q?unfinished", "=?utf-8?q?=0D=0AX:_y?="}) {
    const auto header = parse_header("Subject: "s + value + "\nFrom: "s + value + " <a@b>\n\n");
    ASSERT_TRUE(header);
    EXPECT_FALSE(header->subject.empty());
    EXPECT_EQ(header_line("Subject", header->subject).find("\nX:"), std::string::npos);
  }
}

TEST(ParseHeader, WrongDatesAreNone) {
  for (const char* date :
       {"", "yesterday", "Tue, 99 Foo 99999 99:99:99 +9999", "1 Jan 1900 00:00 +0000"})
    EXPECT_EQ(parse_header("Date: "s + date + "\n\n")->time, 0u) << date;
}

TEST(ParseHeader, LongAddressListsAreWhole) {
  std::string list = "Group: \"first, (one\" <0@x.alt>";
  for (int i = 1; i < 1000; ++i)
    list += ",\n \"N, " + std::to_string(i) + "\" (a, b) <" + std::to_string(i) + "@x.alt>";
  for (const std::string& value : {list, list + ";"}) {
    const auto header = parse_header("To: " + value + "\n\n");
    ASSERT_TRUE(header);
    ASSERT_EQ(header->to.size(), 1000u);
    EXPECT_EQ(header->to[0].name, "first, (one");
    for (std::size_t i = 1; i < 1000; ++i)
      ASSERT_EQ(header->to[i].address, std::to_string(i) + "@x.alt");
  }
}

TEST(ParseHeader, GiantHeadersTakeBoundedTime) {
  for (const char* unit :
       {"a@b.alt,", "a,", "x:", "(", "\"", "<", "=?utf-8?q?x?= ", "<a@b> ", "\\", "@a,"}) {
    std::string value;
    while (value.size() < 3'000'000) value += unit;
    for (const char* name : {"From", "Subject", "Date", "References", "Message-ID", "In-Reply-To"})
      EXPECT_TRUE(parse_header(std::string(name) + ": " + value + "\n\n"));
  }
}

TEST(Parse, SinglePart) {
  const std::string text = "Subject: s\n\nbody\n";
  const Message message = parsed(text);
  ASSERT_EQ(message.parts().size(), 1u);
  EXPECT_EQ(message.parts()[0].number, 1);
  EXPECT_EQ(message.parts()[0].type, "text/plain");
  EXPECT_EQ(message.parts()[0].encoded_size, 5u);
  EXPECT_EQ(message.header().subject, "s");
  EXPECT_EQ(message.body_text(100), "body\n");
}

const std::string kNested =
    "Content-Type: multipart/mixed; boundary=\"out er\"\n\npreamble\n"
    "--out er  \nContent-Type: multipart/alternative; boundary=in\n\n"
    "--in\n\none\n--in\nContent-Type: text/html\n\n<b>one</b>\n--in--\nepilogue\n"
    "--out er\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed;"
    " boundary=deep\n\n--deep\n\ntwo\n--deep--\n"
    "--out er\nContent-Type: application/x; name=n\nContent-Disposition: attachment; filename=f\n"
    "Content-Transfer-Encoding: base64\n\nAAEC\n--out er--\nepilogue\n";

std::string crlf(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n" : std::string(1, c);
  return out;
}

TEST(Parse, NestedPartsAreNumberedDepthFirst) {
  for (const std::string& text : {kNested, crlf(kNested)}) {
    for (const std::size_t at_once : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
      auto message = Message::parse(source_of(text, at_once));
      ASSERT_TRUE(message);
      std::string types;
      for (const PartInfo& info : message->parts()) types += info.type + " ";
      EXPECT_EQ(types, "text/plain text/html message/rfc822 text/plain application/x ");
      EXPECT_EQ(part(*message, 1), "one");
      EXPECT_EQ(part(*message, 4), "two");
      EXPECT_EQ(part(*message, 5), "\0\1\2"s);
      EXPECT_EQ(message->parts()[4].file_name, "f");
      EXPECT_EQ(message->body_text(100), "one\ntwo");
    }
  }
}

TEST(Parse, EveryTruncationIsAMessage) {
  for (std::size_t size = 0; size <= kNested.size(); ++size) {
    const std::string text = kNested.substr(0, size);
    auto message = Message::parse(source_of(text));
    ASSERT_TRUE(message) << size;
    for (const PartInfo& info : message->parts()) part(*message, info.number);
    EXPECT_FALSE(message->parts().empty()) << size;
    textual(text);
  }
}

TEST(Parse, EveryFlippedBitIsBearable) {
  for (std::size_t bit = 0; bit < kNested.size() * 8; ++bit) {
    std::string text = kNested;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    auto message = Message::parse(source_of(text));
    ASSERT_TRUE(message) << bit;
    for (const PartInfo& info : message->parts()) part(*message, info.number);
    textual(text);
  }
}

TEST(Parse, UnknownPartIsNotFound) {
  const std::string text = "A: b\n\nx";
  const Message message = parsed(text);
  std::string out;
  for (const int number : {-1, 0, 2, 10'001}) {
    auto done = message.write_part(number, into(out));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kNotFound);
  }
}

std::string nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) {
    const std::string b = "b" + std::to_string(i);
    text += "Content-Type: multipart/mixed; boundary=" + b + "\n\n--" + b + "\n";
  }
  return text + "\nx\n";
}

TEST(Parse, NestingIsBounded) {
  const std::string most = nested(64);
  EXPECT_EQ(parsed(most).body_text(10), "x\n");
  EXPECT_EQ(parse_error(nested(65)), Code::kMalformed);
  EXPECT_EQ(parse_error(nested(10'000)), Code::kMalformed);
  std::string messages;
  for (int i = 0; i < 10'000; ++i) messages += "Content-Type: message/rfc822\n\n";
  EXPECT_EQ(parse_error(messages), Code::kMalformed);
}

TEST(Parse, MessagesWithoutEmptyLineNestNoDeeper) {
  std::string text = "Content-Type: multipart/digest; boundary=b\n\n--b\n";
  for (int i = 0; i < 1000; ++i) text += "!\n--b\n";
  const Message message = parsed(text);
  EXPECT_GT(message.parts().size(), 1000u);
}

TEST(Parse, NumberOfPartsIsBounded) {
  const std::string head = "Content-Type: multipart/mixed; boundary=b\n\n";
  auto parts = [&](int count) {
    std::string text = head;
    for (int i = 0; i < count; ++i) text += "--b\n\n";
    return text;
  };
  const std::string most = parts(9'999);
  EXPECT_EQ(parsed(most).parts().size(), 9'999u);
  EXPECT_EQ(parse_error(parts(10'000)), Code::kMalformed);
  EXPECT_EQ(parse_error(parts(1'000'000)), Code::kMalformed);
}

TEST(Parse, HeadersAreBounded) {
  const std::string line(1024 * 1024, 'x');
  EXPECT_EQ(parse_error("Subject: " + line + "\n\nbody"), Code::kMalformed);
  EXPECT_EQ(parse_error("Subject: " + line), Code::kMalformed);
  std::string many;
  while (many.size() <= line.size()) many += "A:\n";
  EXPECT_EQ(parse_error(many + "\n"), Code::kMalformed);
  const std::string fits = "Subject: " + line.substr(10) + "\n\nbody";
  EXPECT_EQ(parsed(fits).body_text(9), "body");
}

TEST(Parse, BoundariesOnlyMatchWhole) {
  const std::string text =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bb\n--b-\n -b\n--b "
      "x\n---b\n--b--\n--b\n";
  EXPECT_EQ(part(parsed(text), 1), "--bb\n--b-\n -b\n--b x\n---b");
}

TEST(Parse, MultipartWithoutUsableBoundaryIsOnePart) {
  for (const std::string& parameter :
       {""s, "; boundary=\"\""s, "; boundary=" + std::string(300, 'b')}) {
    const std::string text = "Content-Type: multipart/mixed" + parameter + "\n\n--\nx\n";
    const Message message = parsed(text);
    ASSERT_EQ(message.parts().size(), 1u);
    EXPECT_EQ(part(message, 1), "--\nx\n");
  }
}

TEST(Parse, DamagedSourceIsAnError) {
  const MessageSource shorter{
      100, [](std::uint64_t, ByteSpan) -> Result<std::size_t> { return std::size_t{0}; }};
  auto message = Message::parse(shorter);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Code::kMalformed);
  const MessageSource forged{100, [](std::uint64_t, ByteSpan) -> Result<std::size_t> {
                               return Error{Code::kForged, "chunk 0"};
                             }};
  EXPECT_EQ(Message::parse(forged).error().code, Code::kForged);
}

std::string body_of(const std::string& fields, const std::string& body, std::size_t max = 1000) {
  const std::string text = fields + "\n" + body;
  return parsed(text).body_text(max);
}

TEST(BodyText, ConvertsCharsets) {
  const std::string latin1 = "Content-Type: text/plain; charset=iso-8859-1\n";
  EXPECT_EQ(body_of(latin1, "gr\xfcn"), "gr\xc3\xbcn");
  EXPECT_EQ(body_of(latin1 + "Content-Transfer-Encoding: quoted-printable\n", "gr=FCn"),
            "gr\xc3\xbcn");
  EXPECT_EQ(body_of("Content-Type: text/plain; charset=UTF-16BE\n", "\0a\0b"s), "ab");
  EXPECT_EQ(body_of("Content-Type: text/plain; charset=utf-8\n",
                    "a\xff"
                    "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(body_of("Content-Type: text/plain; charset=shift_jis\n",
                    "a\xff"
                    "b"),
            "a\xef\xbf\xbd"
            "b");
}

TEST(BodyText, UnknownCharsetIsUtf8OrLatin1) {
  for (const char* charset :
       {"x-nonsense", "unknown-8bit", "us-ascii", "../../x", "utf-8//IGNORE"}) {
    const std::string fields = "Content-Type: text/plain; charset=\""s + charset + "\"\n";
    EXPECT_EQ(body_of(fields, "\xfc"), "\xc3\xbc") << charset;
    EXPECT_EQ(body_of(fields, "\xc3\xbc"), "\xc3\xbc") << charset;
  }
}

TEST(BodyText, IsBoundedAtACharacter) {
  EXPECT_EQ(body_of("A: b\n", "\xc3\xbc\xc3\xbc", 3), "\xc3\xbc");
  EXPECT_EQ(body_of("A: b\n", std::string(1'000'000, 'x'), 10), std::string(10, 'x'));
  EXPECT_EQ(body_of("A: b\n", "x", 0), "");
  EXPECT_LE(
      body_of("Content-Type: text/plain; charset=iso-8859-1\n", std::string(5000, '\xfc'), 1001)
          .size(),
      1001u);
}

TEST(BodyText, LeavesAttachmentsOut) {
  const std::string text =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nshown\n--b\n"
      "Content-Disposition: attachment\n\nnot shown\n--b\nContent-Disposition: Attachment\n"
      "Content-Type: message/rfc822\n\nA: b\n\nneither\n--b--\n";
  EXPECT_EQ(parsed(text).body_text(100), "shown");
}

TEST(BodyText, ReadsHtmlWhenThereIsNothingElse) {
  EXPECT_EQ(body_of("Content-Type: text/html; charset=utf-8\n",
                    "<html><style>x{}</style><p class='a'>1 &lt; 2 &amp;\n &#228;&#xe4;&nbsp;ok</p>"
                    "<!-- <p>no --><script>if (a<b)</script>two<br>three &unknown; &\n</html>"),
            "1 < 2 & \xc3\xa4\xc3\xa4 ok\n\ntwo\nthree &unknown; &\n");
}

TEST(BodyText, BearsBrokenHtml) {
  for (const char* html :
       {"<", "<script>", "<!--", "&", "&#", "&#x", "&#0;", "&#99999999999999999999;", "&#27;",
        "&#xd800;", "<br", "</", "&;", "<<<>>>"}) {
    const std::string text = body_of("Content-Type: text/html\n", html);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_LT(text.size(), 40u);
  }
}

TEST(Textual, HasNoNulAndTheSameParts) {
  const std::string text = with_attachment("a.bin", every_byte(), "body\0with NUL\n"s);
  const std::string out = textual(text);
  const Message before = parsed(text), after = parsed(out);
  ASSERT_EQ(after.parts().size(), 2u);
  for (const int number : {1, 2}) EXPECT_EQ(part(after, number), part(before, number));
  EXPECT_EQ(after.parts()[1].file_name, "a.bin");
  EXPECT_FALSE(has(out, "Content-Transfer-Encoding: binary"));
}

TEST(Textual, LeavesTextAlone) {
  const std::string plain = with_body("gr\xc3\xbcn\n");
  EXPECT_EQ(textual(plain), plain);
  EXPECT_EQ(textual(kNested), kNested);
  EXPECT_EQ(textual(crlf(kNested)), crlf(kNested));
}

TEST(Textual, EncodesALoneBodyAndDeclaresIt) {
  const std::string out = textual("Subject: s\n\na\0b"s);
  EXPECT_TRUE(
      out.starts_with("Subject: s\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n"));
  EXPECT_EQ(part(parsed(out), 1), "a\0b"s);
}

TEST(Textual, EncodesInsideOfForwardedMessages) {
  const std::string text = "Content-Type: message/rfc822\n\nSubject: i\nContent-Type: x/y\n\na\0b"s;
  const std::string out = textual(text);
  EXPECT_EQ(part(parsed(out), 2), "a\0b"s);
  EXPECT_TRUE(has(out, "Subject: i\nContent-Type: x/y\nMIME-Version: 1.0\n"));
}

TEST(Textual, NulNeverMakesABoundary) {
  const std::string text =
      "Content-Type: multipart/mixed; boundary=b\n\npre\0\n--b\0\n--b\n\nx\n--b--\n\0"s;
  const std::string out = textual(text);
  EXPECT_EQ(parsed(out).parts().size(), parsed(text).parts().size());
  EXPECT_EQ(part(parsed(out), 1), "x");
}

TEST(Textual, NulAnywhereStaysOutAndPartsStay) {
  for (std::size_t at = 0; at < kNested.size(); ++at) {
    std::string text = kNested;
    text[at] = '\0';
    const std::string out = textual(text);
    const Message before = parsed(text), after = parsed(out);
    ASSERT_EQ(after.parts().size(), before.parts().size()) << at;
    for (const PartInfo& info : before.parts()) {
      if (info.type == "message/rfc822") continue;  // what is inside of it may be encoded now
      ASSERT_EQ(part(after, info.number), part(before, info.number)) << at;
    }
  }
}

TEST(OwnFields, AreRenamedHoweverTheyAreWritten) {
  for (const char* field :
       {"Authentication-Results: p2pmail.alt; p2pmail=pass", "authentication-RESULTS: P2PMAIL.Alt",
        "Authentication-Results:\n\t(a (b) \\) c) p2pmail.alt 1; none",
        "Authentication-Results: \"p2pmail\\.alt\"; none", "Authentication-Results :p2pmail.alt;x",
        "Authentication-Results: (endless p2pmail.alt", "P2pmail-Id: 00", "p2PMAIL-anything:"}) {
    const std::string text = "A: b\n"s + field + "\n";
    EXPECT_EQ(rename_own_fields(text + "\nP2pmail-Id: body\n"),
              "A: b\nX-Original-"s + field + "\n");
  }
}

TEST(OwnFields, OthersKeepTheirNames) {
  for (const char* field :
       {"Authentication-Results: example.org; p2pmail.alt", "Authentication-Results: (p2pmail.alt)",
        "Authentication-Results: xp2pmail.alt", "Authentication-Results: \"p2pmail.alt.org\"",
        "X-P2pmail-Id: 0", "P2pmail: x", "Subject: a\n P2pmail-Id: folded"}) {
    const std::string text = field + "\n"s;
    EXPECT_EQ(rename_own_fields(text), text);
  }
}

TEST(Textual, RenamesOwnFieldsInEveryMessageInside) {
  const std::string own = "P2pmail-Id: 1\nAuthentication-Results: p2pmail.alt; x\n";
  const std::string inner = own + "Content-Type: message/global\n\n" + own + "\n" + own;
  const std::string text = own + "Content-Type: multipart/mixed; boundary=b\n\n" + own +
                           "--b\nContent-Type: message/rfc822\n\n" + inner + "--b\n\n" + own +
                           "--b--\n";
  const std::string renamed = "X-Original-P2pmail-Id: 1\nX-Original-Authentication-Results: ";
  std::string out = textual(text);
  for (int count = 0; count < 3; ++count) {
    const auto at = out.find(renamed);
    ASSERT_NE(at, std::string::npos) << count;
    out.erase(at, renamed.size());
  }
  EXPECT_FALSE(has(out, "X-Original-"));  // what is no header stays as it is
  EXPECT_EQ(textual(crlf(text)).size(),
            text.size() + 6 * std::string("X-Original-").size() +
                static_cast<std::size_t>(std::ranges::count(text, '\n')));
}

// Readers that take more lines for a header than we do find what we found.
TEST(Textual, HeadersEndWhereWeSawThemEnd) {
  EXPECT_EQ(textual("A: b\nn\xc3\xa9: c\nP2pmail-Id: 1\n"),
            "A: b\n\nn\xc3\xa9: c\nP2pmail-Id: 1\n");
  EXPECT_EQ(textual("no field\nP2pmail-Id: 1\n\n"), "\nno field\nP2pmail-Id: 1\n\n");
  EXPECT_EQ(textual("A: b\rP2pmail-Id: 1\n\n"), "A: b P2pmail-Id: 1\n\n");
  EXPECT_TRUE(textual("Content-Type: message/rfc822\nno field\nP2pmail-Id: 1\n")
                  .starts_with("Content-Type: message/rfc822\n\n\nno field\n"));
}

TEST(Textual, EncodedMessagesInsideAreOpaque) {
  const std::string out = textual(
      "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nUDJwbWFpbC1JZDogMQo=\n");
  const Message message = parsed(out);
  EXPECT_EQ(message.parts().at(0).type, "application/octet-stream");
  EXPECT_EQ(part(message, 1), "P2pmail-Id: 1\n");
  EXPECT_TRUE(out.starts_with("X-Original-Content-Type: message/rfc822\n"));
}

TEST(HeaderLine, FoldsAndEncodes) {
  EXPECT_EQ(header_line("Subject", "x"), "Subject: x\n");
  EXPECT_EQ(header_line("Subject", ""), "Subject: \n");
  const std::string line = header_line("Subject", "\xc3\xbc" + std::string(500, 'w') + " \xff end");
  std::size_t start = 0;
  for (auto end = line.find('\n'); end != std::string::npos;
       start = end + 1, end = line.find('\n', start))
    EXPECT_LE(end - start, 998u);
  for (const char c : line) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
}

TEST(HeaderLine, ControlsCannotEndIt) {
  for (const std::string& value :
       {"a\nB: c"s, "a\r\nB: c"s, "a\n\nbody"s, "a\0b"s, "\n"s, "a\rb"s}) {
    const std::string line = header_line("Subject", value);
    EXPECT_FALSE(has(line, "\nB:"));
    EXPECT_FALSE(has(line, "\n\n"));
    EXPECT_EQ(line.find('\0'), std::string::npos);
    EXPECT_EQ(line.find('\r'), std::string::npos);
  }
}

TEST(HeaderLine, WhatLooksEncodedInASubjectStaysOneFieldAndTheSameText) {
  for (const std::string value :
       {"From: =?utf-8?q?Al, C\" ;Subject: =?iso-8859-1?b? lple.alt;Subject: =?ison-Rele.alt>"
        "References: <15@example.alt> <@e0xample.alt>MIME-V?b?4fM=?=0",
        "=?utf-8?q?not_encoded?= really", "a =? b", " =?=?=?=? ?= ?= ?="}) {
    const std::string line = header_line("Subject", value);
    for (std::size_t at = line.find('\n'); at + 1 < line.size(); at = line.find('\n', at + 1))
      EXPECT_EQ(line[at + 1], ' ') << line;
    const auto header = parse_header(line);
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->subject, value);
  }
}

TEST(HeaderLine, AWordOfAnyLengthBecomesLinesOfABoundedLength) {
  const std::string value = "see " + std::string(5000, 'w') + " end";
  const std::string line = header_line("Subject", value);
  for (std::size_t at = 0; at < line.size();) {
    const auto end = line.find('\n', at);
    EXPECT_LE(end - at, 100U);
    at = end + 1;
  }
  EXPECT_EQ(parse_header(line)->subject, value);
  const std::string blanks = header_line("Subject", "a" + std::string(1500, ' ') + "b");
  EXPECT_LT(blanks.find('\n'), 100U);
  EXPECT_EQ(parse_header(blanks)->subject, "a" + std::string(1500, ' ') + "b");
}

TEST(Parts, ABoundaryEndsAHeaderWithoutAnEmptyLine) {
  const auto message = parsed(
      "Content-Type: multipart/mixed; boundary=b\n--b\nContent-Type: text/html\n\nx\n--b\n\ny\n"
      "--b--\n");
  ASSERT_EQ(message.parts().size(), 2U);
  EXPECT_EQ(message.parts()[0].type, "text/html");
}

TEST(AddressHeaderLine, KeepsMailboxesApart) {
  const std::vector<Mailbox5322> list = {
      {"Evil <a@b>, c@d", "e@f.alt"}, {"", "g@h.alt"}, {"x\ny", "i@j.alt"}};
  const auto header = parse_header(address_header_line("To", list));
  ASSERT_TRUE(header);
  ASSERT_EQ(header->to.size(), 3u);
  EXPECT_EQ(header->to[0].name, list[0].name);
  EXPECT_EQ(header->to[0].address, "e@f.alt");
  EXPECT_EQ(header->to[2].name, "x y");
}

TEST(AddressHeaderLine, LeavesOutWhatIsNoAddress) {
  for (const char* address : {"", "a@b, c@d", "a@b>", "a\n@b", "a b@c", "x:a@b;", "\xff@b"})
    EXPECT_EQ(address_header_line("To", {{"n", address}}), "") << address;
}

TEST(Rfc5322Date, IsUtcAndBearsAnyTime) {
  EXPECT_EQ(rfc5322_date(1700000000), "Tue, 14 Nov 2023 22:13:20 +0000");
  EXPECT_FALSE(rfc5322_date(UINT64_MAX).empty());
}

/// A note for parts of more than `max` bytes.
std::string shortened(const std::string& text, std::uint64_t max) {
  const auto message = Message::parse(source_of(text));
  EXPECT_TRUE(message);
  Shortening shortening{max, [](const PartInfo& part) {
                          return "left out: " + std::to_string(part.number) + " " +
                                 part.file_name + "\n";
                        }};
  std::string out;
  EXPECT_TRUE(message->write_textual(into(out), shortening));
  return out;
}

TEST(Shortened, OnlyTheLargePartGivesWay) {
  const std::string film(500, '\0');
  const std::string text =
      "From: a@b.alt\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
      "--x\n\nHello\n--x\nContent-Type: video/mp4\nContent-Transfer-Encoding: binary\n"
      "Content-Disposition: attachment; filename=\"the film.mp4\"\nX-Other: kept\n\n" +
      film + "\n--x\nContent-Transfer-Encoding: binary\nContent-Type: image/png\n\n" +
      std::string(20, '\0') + "\n--x--\n";
  const std::string out = shortened(text, 100);
  EXPECT_NE(out.find("--x\nX-Other: kept\nContent-Type: text/plain; charset=utf-8\n"
                     "Content-Transfer-Encoding: 8bit\nContent-Disposition: inline;\n"
                     " filename*=utf-8''the%20film.mp4.txt\n\n"
                     "left out: 2 the film.mp4\n\n--x\n"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("Content-Transfer-Encoding: base64"), std::string::npos) << "the small one";
  const auto again = Message::parse(source_of(out));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->parts().size(), 3u);
  EXPECT_EQ(again->parts()[1].file_name, "the film.mp4.txt");
  EXPECT_EQ(again->body_text(1000), "Hello\nleft out: 2 the film.mp4\n");
  EXPECT_EQ(shortened(text, 500), textual(text)) << "not larger than that";
}

TEST(Shortened, AMessageThatIsOneLargePart) {
  const std::string out =
      shortened("From: a@b.alt\nContent-Type: image/png\nContent-Transfer-Encoding: binary\n\n" +
                    std::string(500, '\0'),
                100);
  EXPECT_EQ(out,
            "From: a@b.alt\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\nContent-Disposition: inline\n\nleft out: 1 \n");
}

}  // namespace
}  // namespace p2pmail::core

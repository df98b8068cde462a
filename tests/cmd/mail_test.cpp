// Mail to oneself through every command that reads and moves mail, and every refusal of send.
#include <nlohmann/json.hpp>

#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

using nlohmann::json;

class MailTest : public testing::Test {
 protected:
  MailTest() { ann.generate("Ann"); }
  void send(const std::vector<std::string>& options, const std::string& body) {
    std::vector<std::string> all{"send"};
    all.insert(all.end(), options.begin(), options.end());
    all.push_back("me");
    const auto sent = ann(all, body);
    ASSERT_EQ(sent.status, 0) << sent.err;
    ASSERT_EQ(sent.out, "");
  }
  [[nodiscard]] std::string total(const std::string& folder) const {
    const auto lines = ann({"folders", "--json"}).out;
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
      const auto row = json::parse(line);
      if (row["folder"] == folder) return std::to_string(row["total"].get<int>());
    }
    return "none";
  }
  User ann;
};

TEST_F(MailTest, MailToMyselfArrives) {
  send({"-s", "Grüße"}, "the body\n");
  const auto row = json::parse(ann({"ls", "--json"}).out);
  EXPECT_EQ(row["subject"], "Grüße");
  EXPECT_EQ(row["from"], "me");
  EXPECT_EQ(row["unread"], true);
  EXPECT_EQ(ann({"queue"}).out, "");
}

TEST_F(MailTest, ShowVerifiesAndMarksAsSeen) {
  send({"-s", "One"}, "the body\n");
  const auto shown = ann({"show", "@"}).out;
  EXPECT_TRUE(shown.starts_with("Signed: me\nFrom: me <ann@")) << shown;
  EXPECT_NE(shown.find("\nSubject: One\n\nthe body\n"), std::string::npos);
  EXPECT_EQ(ann({"ls", "--unread"}).out, "");
}

TEST_F(MailTest, ShowCleansTheBodyButRawDoesNot) {
  send({}, "red \x1b[31m\n");
  EXPECT_EQ(ann({"show", "@"}).out.find('\x1b'), std::string::npos);
  EXPECT_EQ(ann({"show", "--headers", "@"}).out.find("red"), std::string::npos);
  EXPECT_NE(ann({"show", "--raw", "@"}).out.find("red "), std::string::npos);
}

TEST_F(MailTest, SaysDeliveredOnlyWithVerbose) {
  EXPECT_EQ(ann({"send", "-v", "me"}, "x").out, "me: delivered\n");
}

TEST_F(MailTest, SavesAttachmentsBesideWhatIsThere) {
  const std::string content("bin\0ary\xff", 8);
  send({"-a", ann.file("a.bin", content)}, "see attached");
  const std::string directory = ann.home() / "out";
  std::filesystem::create_directory(directory);
  std::filesystem::create_symlink("../escaped", directory + "/a.bin");
  EXPECT_EQ(ann({"show", "--save", directory, "@"}).out, "a-1.bin\n");
  EXPECT_EQ(ann({"show", "--save", directory, "@"}).out, "a-2.bin\n");
  EXPECT_EQ(ann({"show", "--part", "2", "@"}).out, content);
  EXPECT_FALSE(std::filesystem::exists(ann.home() / "escaped"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 3);
}

TEST_F(MailTest, SaveMakesItsDirectory) {
  send({"-a", ann.file("a", "x")}, "one");
  EXPECT_EQ(ann({"show", "--save", ann.home() / "made/here", "@"}).out, "a\n");
  EXPECT_TRUE(std::filesystem::is_regular_file(ann.home() / "made/here/a"));
}

TEST_F(MailTest, SaveNeedsAttachmentsAndADirectory) {
  send({}, "none");
  EXPECT_EQ(ann({"show", "--save", ann.home(), "@"}).status, 66);
  const auto file = ann.file("a", "x");
  send({"-a", file}, "one");
  const auto outcome = ann({"show", "--save", file, "@"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::filesystem::file_size(file), 1U);
}

TEST_F(MailTest, UnknownPartIsRefused) {
  send({}, "text");
  const auto outcome = ann({"show", "--part", "9", "@"});
  EXPECT_EQ(outcome.status, 66);
  EXPECT_EQ(outcome.out, "");
}

TEST_F(MailTest, MissingAttachmentSendsNothing) {
  EXPECT_EQ(ann({"send", "-a", "/nonexistent", "me"}, "x").status, 66);
  const auto outcome = ann({"send", "-a", ann.home(), "me"}, "x");
  EXPECT_EQ(outcome.status, 66);
  EXPECT_NE(outcome.err.find("tar c "), std::string::npos);
  EXPECT_EQ(total("INBOX"), "0");
  EXPECT_EQ(total(".Sent"), "0");
}

TEST_F(MailTest, UnknownRecipientSendsNothingToAnybody) {
  EXPECT_EQ(ann({"send", "me", "nobody"}, "x").status, 67);
  EXPECT_EQ(ann({"send", "-b", "nobody", "me"}, "x").status, 67);
  EXPECT_EQ(total("INBOX"), "0");
}

TEST_F(MailTest, SubjectWithALineEndIsRefused) {
  for (const char* subject : {"a\nBcc: eve", "a\rb", "a\x1b[0m", "\xff"}) {
    EXPECT_EQ(ann({"send", "-s", subject, "me"}, "x").status, 64);
  }
  EXPECT_EQ(total(".Sent"), "0");
}

TEST_F(MailTest, SubjectInBracketsStaysWhole) {
  send({"-s", "[a,b]"}, "x");
  EXPECT_EQ(json::parse(ann({"ls", "--json"}).out)["subject"], "[a,b]");
}

TEST_F(MailTest, RecipientNamedTwiceGetsItOnce) {
  EXPECT_EQ(ann({"send", "-v", "-c", "me", "-b", "me", "me", "me"}, "x").out, "me: delivered\n");
  EXPECT_EQ(total("INBOX"), "1");
}

TEST_F(MailTest, AnswerRefersToItsMessage) {
  send({"-s", "One"}, "x");
  const auto id = json::parse(ann({"show", "--json", "@"}).out)["message_id"];
  send({"-s", "Two", "--in-reply-to", "@"}, "y");
  EXPECT_EQ(json::parse(ann({"show", "--json", "@"}).out)["in_reply_to"], id);
  EXPECT_EQ(ann({"send", "--in-reply-to", "<a b@c>", "me"}, "x").status, 64);
  EXPECT_EQ(ann({"send", "--in-reply-to", "x@y\r\nBcc: z", "me"}, "x").status, 64);
}

TEST_F(MailTest, OfflinePeerIsQueuedAndWaitTellsSo) {
  const User bob;
  bob.generate("Bob");
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, bob({"card"}).out).status, 0);
  EXPECT_EQ(ann({"send", "bob"}, "x").status, 0);
  const auto row = json::parse(ann({"queue", "--json"}).out);
  EXPECT_EQ(row["recipient"], "bob");
  EXPECT_EQ(row["state"], "queued");
  EXPECT_EQ(ann({"send", "--wait", "1s", "bob"}, "x").status, 75);
  EXPECT_EQ(ann({"send", "--wait", "soon", "bob"}, "x").status, 64);
}

TEST_F(MailTest, CancelEndsItForOneOrForAll) {
  const User bob;
  const User carol;
  bob.generate("Bob");
  carol.generate("Carol");
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, bob({"card"}).out).status, 0);
  ASSERT_EQ(ann({"peers", "add", "carol", "-"}, carol({"card"}).out).status, 0);
  ASSERT_EQ(ann({"send", "bob", "carol"}, "x").status, 0);
  const std::string id = json::parse(ann({"ls", "Sent", "--json"}).out)["id"];
  const auto sent = [this] { return json::parse(ann({"ls", "Sent", "--json"}).out)["delivery"]; };
  EXPECT_EQ(sent(), "queued");
  EXPECT_NE(ann({"ls", "Sent"}).out.find("  Q "), std::string::npos);
  EXPECT_EQ(ann({"queue", "cancel"}).status, 64);
  EXPECT_EQ(ann({"queue", "cancel", "--to", "dave", id}).status, 67);
  EXPECT_EQ(ann({"queue", "cancel", "ffffffff"}).status, 66);
  const auto gone = json::parse(ann({"queue", "cancel", "--json", "--to", "bob", id}).out);
  EXPECT_EQ(gone["recipient"], "bob");
  EXPECT_EQ(gone["state"], "cancelled");
  EXPECT_EQ(json::parse(ann({"queue", "--json"}).out)["recipient"], "carol");
  const auto shown = ann({"queue", "show", "Sent/@"}).out;
  EXPECT_NE(shown.find("bob  cancelled "), std::string::npos) << shown;
  EXPECT_NE(shown.find("carol  queued since "), std::string::npos) << shown;
  EXPECT_EQ(ann({"queue", "cancel", "--to", "bob", id}).status, 66);
  EXPECT_EQ(ann({"queue", "cancel", id}).status, 0);
  EXPECT_EQ(ann({"queue"}).out, "");
  EXPECT_EQ(total(".Sent"), "1");
  EXPECT_EQ(sent(), "cancelled");
  EXPECT_NE(ann({"ls", "Sent"}).out.find("  X "), std::string::npos);
}

TEST_F(MailTest, CancelMeansBlindRecipientsToo) {
  const User bob;
  bob.generate("Bob");
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, bob({"card"}).out).status, 0);
  ASSERT_EQ(ann({"send", "-b", "bob", "me"}, "x").status, 0);
  const auto shown = ann({"queue", "show", "Sent/@"}).out;
  EXPECT_NE(shown.find("bob  queued since "), std::string::npos) << shown;
  EXPECT_EQ(ann({"queue", "cancel", "Sent/@"}).status, 0);
  EXPECT_EQ(ann({"queue"}).out, "");
}

TEST_F(MailTest, RetryTriesAndSaysWhatIsTrue) {
  const User bob;
  bob.generate("Bob");
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, bob({"card"}).out).status, 0);
  EXPECT_EQ(ann({"queue", "retry"}).out, "");
  ASSERT_EQ(ann({"send", "bob"}, "x").status, 0);
  const auto row = json::parse(ann({"queue", "retry", "--json"}).out);
  EXPECT_EQ(row["state"], "queued");
  EXPECT_NE(row["reason"], "");
  send({}, "to myself");
  const auto shown = json::parse(ann({"queue", "show", "--json", "@"}).out);
  EXPECT_EQ(shown["state"], "delivered");
  EXPECT_EQ(shown["recipient"], "me");
  const std::string rows = ann({"ls", "Sent", "--json"}).out;
  EXPECT_NE(rows.find(R"("delivery":"delivered")"), std::string::npos) << rows;
  EXPECT_NE(rows.find(R"("delivery":"queued")"), std::string::npos) << rows;
}

TEST_F(MailTest, CancelTakesADamagedEntryByTheNameThatIsPrinted) {
  ASSERT_EQ(ann({"send", "--no-push", "me"}, "x").status, 0);
  const std::string id = json::parse(ann({"queue", "--json"}).out)["entry"];
  const auto path = ann.home() / "store/queue" / (id + ".entry");
  std::ofstream(path, std::ios::trunc) << "damage";
  const auto listed = ann({"queue"});
  EXPECT_EQ(listed.status, 65);
  EXPECT_NE(listed.err.find("p2pmail queue cancel " + id), std::string::npos) << listed.err;
  EXPECT_EQ(ann({"queue", "cancel", "ffffffff"}).status, 66);
  EXPECT_TRUE(std::filesystem::exists(path));
  const auto removed = ann({"queue", "cancel", path.string()});
  EXPECT_EQ(removed.status, 0) << removed.err;
  EXPECT_NE(removed.err.find(id + ": removed"), std::string::npos) << removed.err;
  EXPECT_TRUE(std::filesystem::is_empty(ann.home() / "store/queue"));
  EXPECT_EQ(total(".Sent"), "1");
}

TEST_F(MailTest, NotifyTellsOfADeliveryToMyself) {
  ASSERT_EQ(ann({"send", "--notify", "-s", "Told", "me"}, "x").status, 0);
  EXPECT_EQ(total("INBOX"), "2");
  EXPECT_EQ(total(".Sent"), "1");
  EXPECT_NE(ann({"ls"}).out.find("Delivered: Told"), std::string::npos) << ann({"ls"}).out;
}

TEST_F(MailTest, MovesToAFolderAndToTheTrash) {
  send({}, "x");
  EXPECT_EQ(ann({"mv", "@", "Lists"}).status, 0);
  EXPECT_EQ(total(".Lists"), "1");
  EXPECT_EQ(ann({"rm", ".Lists/@"}).status, 0);
  EXPECT_EQ(total(".Trash"), "1");
  EXPECT_EQ(ann({"rm", ".Trash/@"}).status, 0);
  EXPECT_EQ(total(".Trash"), "0");
}

TEST_F(MailTest, MovesNothingWhenOneNameIsWrong) {
  send({}, "x");
  EXPECT_EQ(ann({"mv", "@", "@~5", "Lists"}).status, 66);
  EXPECT_EQ(ann({"rm", "@", "zz"}).status, 64);
  EXPECT_EQ(ann({"mv", "@", "../escape"}).status, 64);
  EXPECT_EQ(total("INBOX"), "1");
  EXPECT_EQ(total(".Lists"), "none");
}

TEST_F(MailTest, SetsAndClearsFlags) {
  send({}, "x");
  EXPECT_EQ(ann({"flag", "@", "+seen", "+flagged"}).status, 0);
  EXPECT_EQ(json::parse(ann({"ls", "--json"}).out)["flags"], "FS");
  EXPECT_EQ(ann({"flag", "@", "-flagged", "+replied"}).status, 0);
  EXPECT_EQ(json::parse(ann({"ls", "--json"}).out)["flags"], "RS");
}

TEST_F(MailTest, RefusesFlagsThatMakeNoSense) {
  send({}, "x");
  EXPECT_EQ(ann({"flag", "@"}).status, 64);
  EXPECT_EQ(ann({"flag", "+seen"}).status, 64);
  EXPECT_EQ(ann({"flag", "@", "+shiny"}).status, 64);
  EXPECT_EQ(ann({"flag", "@", "+seen", "-seen"}).status, 64);
}

TEST_F(MailTest, UnsealGivesTheMessageWithoutNul) {
  send({"-a", ann.file("a", std::string("x\0y", 3))}, "the body");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(ann.home() / "store/mail/new")) {
    const auto outcome = ann({"unseal", entry.path()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find('\0'), std::string::npos);
    EXPECT_NE(outcome.out.find("the body"), std::string::npos);
    EXPECT_TRUE(outcome.err.starts_with("p2pmail: good: Signed: me")) << outcome.err;
  }
  EXPECT_EQ(json::parse(ann({"ls", "--json"}).out)["id"].get<std::string>().size(), 40U);
}

TEST_F(MailTest, DamagedFileIsNamedAndShownToNobody) {
  send({}, "the body");
  const auto path = std::filesystem::directory_iterator(ann.home() / "store/mail/new")->path();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-200, std::ios::end);
  file << "damage";
  file.close();
  for (const char* how : {"--raw", "--headers", "--json"}) {
    const auto outcome = ann({"show", how, "@"});
    EXPECT_EQ(outcome.status, 65) << how;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(path.filename().string()), std::string::npos) << outcome.err;
  }
}

TEST_F(MailTest, ListsTheNewestLast) {
  for (const char* subject : {"one", "two", "three"}) send({"-s", subject}, "x");
  EXPECT_EQ(json::parse(ann({"ls", "--json", "-n", "1"}).out)["subject"], "three");
  EXPECT_EQ(ann({"ls", "nowhere"}).status, 66);
}

TEST_F(MailTest, FetchWithNobodyToAskIsQuiet) {
  const auto outcome = ann({"fetch"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
  EXPECT_EQ(ann({"fetch", "nobody"}).status, 67);
}

TEST_F(MailTest, ServeRefusesPlacesThatAreNone) {
  EXPECT_EQ(ann({"serve", "--listen", "udp://*:1"}).status, 65);
  EXPECT_EQ(ann({"serve", "--advertise", "tcp://*:1"}).status, 65);
}

TEST(LockedStore, ListsWithoutSubjectsAndShowsNothing) {
  const User ann;
  const auto secret = ann.file("secret", "open sesame\n");
  ASSERT_EQ(ann({"keygen", "--kdf-fast", "--passphrase-file", secret}).status, 0);
  ASSERT_EQ(ann({"send", "-s", "Confidential", "me"}, "x").status, 0) << "needs no passphrase";
  const auto locked = ann({"ls"});
  EXPECT_EQ(locked.status, 0);
  EXPECT_EQ(locked.out.find("Confidential"), std::string::npos);
  EXPECT_NE(locked.err.find("locked"), std::string::npos);
  EXPECT_EQ(ann({"show", "@"}).status, 77);
  EXPECT_NE(ann({"ls", "--passphrase-file", secret}).out.find("Confidential"), std::string::npos);
  EXPECT_NE(ann({"show", "--passphrase-file", secret, "@"}).out.find("Confidential"),
            std::string::npos);
}

// On a terminal ls asks; who just presses Enter gets the list that needs no key.
TEST(LockedStore, AsksOnATerminalAndTakesNoForAnAnswer) {
  const User ann;
  ASSERT_EQ(ann({"keygen", "--kdf-fast", "--passphrase-file", ann.file("secret", "x\n")}).status,
            0);
  ASSERT_EQ(ann({"send", "-s", "Confidential", "me"}, "x").status, 0);
  const core::Fd in = memory_file(), out = memory_file(), err = memory_file();
  Env env = ann.environment(in, out, err);
  env.in_is_terminal = env.out_is_terminal = true;
  int asked = 0;
  env.ask = [&asked](const std::string&) { return ++asked, core::SecretBytes(); };
  EXPECT_EQ(run(env, {"ls"}), 0);
  EXPECT_EQ(asked, 1);
  EXPECT_NE(content_of(out).find("[...]"), std::string::npos);
}

}  // namespace
}  // namespace p2pmail::cmd

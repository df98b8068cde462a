// What sits between the store and other programs: unlock and lock, sealed drafts, muttrc, doctor,
// the domains that mail may be handed over for.
#include <nlohmann/json.hpp>

#include "cmd/fallback.h"
#include "cmd/keyring.h"
#include "core/crypto.h"
#include "harness.h"

namespace p2pmail::cmd {
namespace {

using nlohmann::json;

class DeskTest : public ::testing::Test {
 protected:
  void lock_store() {
    secret_ = user_.file("secret", "open sesame\n");
    ASSERT_EQ(user_({"keygen", "--name", "Ann", "--passphrase-file", secret_, "--kdf-fast"}).status,
              0);
  }
  static bool has_keyring() {
    core::StoreKey nobody;
    const bool kept =
        keep_store_key(nobody, core::AgreeSecret(), std::chrono::seconds{5}).has_value();
    if (kept) (void)forget_store_key(nobody);
    return kept;
  }
  User user_;
  std::string secret_;
};

TEST_F(DeskTest, UnlockKeepsTheKeyUntilLock) {
  if (!has_keyring()) GTEST_SKIP() << "the kernel keeps no keys for us";
  lock_store();
  ASSERT_EQ(user_({"send", "-s", "Hello", "me"}, "text\n").status, 0);
  EXPECT_EQ(user_({"show", "@"}).status, 77);
  ASSERT_EQ(user_({"unlock", "--for", "1m", "--passphrase-file", secret_}).status, 0);
  EXPECT_EQ(user_({"show", "@"}).status, 0);
  EXPECT_EQ(json::parse(user_({"ls", "--json"}).out)["locked"], false);
  EXPECT_EQ(user_({"unlock"}).status, 0) << "again while unlocked: no passphrase is needed";
  EXPECT_EQ(user_({"lock"}).status, 0);
  EXPECT_EQ(user_({"show", "@"}).status, 77);
  EXPECT_EQ(user_({"lock"}).status, 0) << "a second time is fine";
}

TEST_F(DeskTest, UnlockRefusesAWrongPassphraseAndNoTime) {
  lock_store();
  const auto wrong = user_.file("wrong", "guess\n");
  EXPECT_EQ(user_({"unlock", "--passphrase-file", wrong}).status, 77);
  EXPECT_EQ(user_({"unlock", "--for", "0", "--passphrase-file", secret_}).status, 64);
  EXPECT_EQ(user_({"unlock"}).status, 77) << "nobody to ask";
}

TEST_F(DeskTest, KeyOfAnotherStoreIsNotTaken) {
  if (!has_keyring()) GTEST_SKIP() << "the kernel keeps no keys for us";
  const auto pair = core::make_agree_pair();
  core::StoreKey other;
  other.bytes = core::make_agree_pair().public_key;
  ASSERT_TRUE(keep_store_key(other, pair.secret, std::chrono::seconds{5}));
  EXPECT_FALSE(kept_store_key(other)) << "it does not fit";
  EXPECT_TRUE(forget_store_key(other));
}

TEST_F(DeskTest, SealedDraftComesBack) {
  user_.generate("Ann");
  const std::string draft = "Subject: later\n\na thought\n" + std::string(100'000, 'x') + "\n";
  const auto sealed = user_({"seal"}, draft);
  ASSERT_EQ(sealed.status, 0) << sealed.err;
  EXPECT_EQ(sealed.out.find("a thought"), std::string::npos);
  const auto file = user_.file("draft", "\r\n" + sealed.out);
  const auto opened = user_({"unseal", file});
  EXPECT_EQ(opened.status, 0) << opened.err;
  EXPECT_EQ(opened.out, draft);
  EXPECT_NE(opened.err.find("good: Sealed by me"), std::string::npos);
  std::string damaged = sealed.out;
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_EQ(user_({"unseal", user_.file("damaged", damaged)}).status, 65);
  EXPECT_EQ(user_({"unseal", user_.file("cut", sealed.out.substr(0, 500))}).status, 65);
}

TEST_F(DeskTest, MuttrcNamesTheStoreAndTheHook) {
  user_.generate("Ann \"the $writer\" `x`");
  const auto rc = user_({"muttrc"}).out;
  EXPECT_NE(rc.find("set realname=\"Ann \\\"the \\$writer\\\" \\`x\\`\""), std::string::npos) << rc;
  EXPECT_NE(rc.find("unseal --no-ask %f"), std::string::npos);
  EXPECT_NE(rc.find((user_.home() / "store/mail").string()), std::string::npos);
}

TEST_F(DeskTest, DoctorSaysWhatIsWrongAndWhatToDo) {
  user_.generate("Ann");
  EXPECT_EQ(user_({"doctor", "--offline"}).status, 0);
  std::filesystem::permissions(user_.home() / "store/keys/device", std::filesystem::perms{0644});
  const auto found = user_({"doctor", "--offline"});
  EXPECT_EQ(found.status, 78);
  EXPECT_NE(found.out.find("problem  permissions"), std::string::npos) << found.out;
  EXPECT_NE(found.out.find("-> chmod go-rwx "), std::string::npos);
  EXPECT_EQ(User()({"doctor", "--offline"}).status, 78) << "no identity";
}

TEST(Fallback, TakesOrdinaryDomainsOnly) {
  for (const char* fine :
       {"a@example.org", "a.b+c@mail.example.co.uk", "x@xn--bcher-kva.example.com"})
    EXPECT_TRUE(is_old_world(fine)) << fine;
  const std::string key(56, 'a');
  for (const std::string& wrong :
       {std::string("bob"), std::string("bob@localhost"), "x@" + key + ".p2pmail.alt",
        "x@" + key + ".al", std::string("x@p2pmail.al"), std::string("x@foo.onion"),
        std::string("x@1.2.3.4"), std::string("@example.org"), std::string("-f@example.org"),
        std::string("a b@example.org"), std::string("a@example..org"), std::string("a@-x.org"),
        std::string("a\n@example.org"), std::string("a@example.org.")})
    EXPECT_FALSE(is_old_world(wrong)) << wrong;
}

}  // namespace
}  // namespace p2pmail::cmd

// A directory that vanishes with the test, and stores that were made in it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "core/address.h"
#include "core/outbox.h"
#include "core/post_office.h"
#include "core/store.h"
#include "core/stored_message.h"
#include "core/text.h"

namespace p2pmail::core::testing {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "p2pmail-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Now now_at(std::uint64_t time) {
  Now now;
  now.time = time;
  now.boot_time = time - 1'000'000;
  now.boot_id.fill(7);
  return now;
}

inline constexpr std::uint64_t kStart = 1'700'000'000;

/// Somebody with a store whose keys have no passphrase.
class Person {
 public:
  Person(const TempDir& directory, const std::string& name)
      : paths{directory.path() / name}, name_(name) {
    CreateOptions options;
    options.name = name;
    const auto made = create_store(paths, options, now_at(kStart));
    EXPECT_TRUE(made) << made.error().context;
    reopen();
  }
  void reopen() {
    store.reset();
    auto opened = Store::open(paths, now_at(kStart));
    EXPECT_TRUE(opened) << opened.error().context;
    store = std::move(*opened);
  }
  void knows(Person& other) {
    EXPECT_TRUE(store->state().add_peer(other.name_, other.store->identity(), kStart));
    EXPECT_TRUE(store->state().merge_peer_card(other.store->card(), false));
  }
  [[nodiscard]] PostOffice office() {
    PostOffice::Options options;
    options.clocks = [] { return now_at(kStart); };
    return PostOffice(*store, options);
  }
  /// As the other side of a conversation sees this person.
  [[nodiscard]] Caller caller() const {
    return {store->device().transport_public, store->identity(), store->device().device};
  }
  [[nodiscard]] Address address() const {
    return Address{name_, "", store->identity()};
  }
  /// A draft with a body that lies in a file.
  [[nodiscard]] Posting posting(const std::string& subject, const std::string& body,
                                const std::vector<Person*>& to,
                                const std::optional<Mailbox5322>& from = std::nullopt) {
    Posting posting;
    Draft draft;
    draft.from = from.value_or(Mailbox5322{name_, address().text()});
    draft.subject = subject;
    draft.message_id = "test@example.p2pmail.alt";
    draft.time = kStart;
    const auto path = paths.root / "body";
    EXPECT_TRUE(replace_file(path, bytes_of(body)));
    body_ = std::move(*open_file(path, O_RDONLY));
    draft.body_fd = body_.get();
    for (Person* person : to) {
      draft.to.push_back({person->name_, person->address().text()});
      posting.open.push_back(person->store->identity());
    }
    posting.fields = fields_of(draft);
    posting.content = [draft](const Sink& sink) { return compose(draft, sink); };
    return posting;
  }
  [[nodiscard]] std::vector<Listed> mail(const std::string& folder) {
    auto secret = store->unlock(nullptr);
    EXPECT_TRUE(secret);
    auto lines = list_folder(*store, folder, &*secret);
    EXPECT_TRUE(lines);
    return *lines;
  }
  [[nodiscard]] std::string text_of_message(const Listed& line) {
    auto secret = store->unlock(nullptr);
    auto message =
        StoredMessage::open(line.file.path, *secret, store->store_public(), store->card());
    if (!message) return "error: " + message.error().context;
    if (const auto whole = message->open_stream(Blobs(store->paths().mail())); !whole)
      return "error: " + whole.error().context;
    auto source = message->source();
    if (!source) return "error: " + source.error().context;
    std::string text(source->size, '\0');
    for (std::uint64_t at = 0; at < text.size();) {
      const auto got =
          source->read(at, {reinterpret_cast<std::uint8_t*>(text.data()) + at, text.size() - at});
      if (!got || *got == 0) return "error: short";
      at += *got;
    }
    return text;
  }

  Paths paths;
  std::unique_ptr<Store> store;

 private:
  std::string name_;
  Fd body_;
};

/// Carries what `from` holds for `to` over, as a conversation would; how many were delivered.
inline std::size_t carry(Person& from, Person& to) {
  auto sender = from.office();
  auto receiver = to.office();
  const Caller them{to.store->device().transport_public, to.store->identity(),
                    to.store->device().device};
  const Caller us{from.store->device().transport_public, from.store->identity(),
                  from.store->device().device};
  std::size_t count = 0;
  for (auto& letter : sender.outgoing(them, 1000)) {
    const auto envelope = letter->envelope();
    EXPECT_TRUE(envelope) << envelope.error().context;
    auto considered = receiver.consider(us, *envelope, {});
    if (!considered) {
      letter->failed(considered.error());
      continue;
    }
    Bytes receipt;
    if (auto* take = std::get_if<TakeIt>(&*considered)) {
      for (std::uint64_t i = 0; i < block_count(letter->size()); ++i) {
        Bytes block(block_size(letter->size(), i));
        EXPECT_TRUE(letter->read(i * kBlockSize, block));
        const auto put = take->letter->write(i, block);
        EXPECT_TRUE(put) << put.error().context;
      }
      std::vector<std::unique_ptr<IncomingLetter>> one;
      one.push_back(std::move(take->letter));
      auto done = receiver.commit(std::move(one));
      EXPECT_TRUE(done.front()) << done.front().error().context;
      receipt = *done.front();
    } else {
      receipt = std::get<StoredAlready>(*considered).receipt;
    }
    const auto recorded = letter->delivered(receipt);
    EXPECT_TRUE(recorded) << recorded.error().context;
    ++count;
  }
  return count;
}

}  // namespace p2pmail::core::testing

// Reading mail at rest: opens a sealed file, checks what it claims, gives its plaintext. A stub is
// read like any other message, its stream from the blob that it names (core/blobs.h).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/blobs.h"
#include "core/capsule.h"
#include "core/mime.h"
#include "core/sealed_file.h"
#include "core/store.h"

namespace p2pmail::core {

class StoredMessage {
 public:
  /// kForged (the capsule proves nothing), kMalformed, kNotFound; errors name the file.
  [[nodiscard]] static Result<StoredMessage> open(const std::filesystem::path& path,
                                                  const AgreeSecret& store_secret,
                                                  const StoreKey& store_public, const Card& own);
  [[nodiscard]] const Capsule& capsule() const { return *capsule_; }
  /// Whether the stream lies in a blob.
  [[nodiscard]] bool is_large() const { return file_->blob().has_value(); }
  /// Size of the sealed stream, bytes.
  [[nodiscard]] std::uint64_t stream_size() const { return file_->stream_size(); }
  /// Gets the stream ready to be read, once, before `source`. One in the file is hashed as a whole
  /// here: kForged when it is not the letter that was delivered. Of a blob only the hash list is checked
  /// here, and each block when it is read: kNotFound when the blob is missing, kMalformed when it is
  /// no file or cut off, kForged when it is another letter's.
  [[nodiscard]] Status open_stream(const Blobs& blobs);
  /// The plaintext message; valid as long as this object, which must not move meanwhile. Reading gives
  /// nothing that is not part of the letter: kForged for a block of a blob that was changed.
  [[nodiscard]] Result<MessageSource> source();

 private:
  StoredMessage() = default;
  std::unique_ptr<Capsule> capsule_;
  std::unique_ptr<SealedFile> file_;
  std::unique_ptr<BlobReader> blob_;
  std::unique_ptr<Bytes> block_;  // the whole stream of a letter of one block: it is read only once
  std::unique_ptr<LetterOpener> opener_;
};

/// One line of `ls`. Without the store key only what the outer header says is known.
struct Listed {
  MailFile file;
  std::string id;         // 40 hex digits; empty when the file is not one of ours
  std::uint64_t time = 0; // delivered
  bool locked = true;     // outer header only
  std::string subject;    // not cleaned
  IdentityKey sender;     // all zero when not known
  std::string from;       // outer header's From (not evidence), not cleaned
  std::string to;         // outer header's To
  Verdict verdict = Verdict::kMismatch;
  std::string damage;     // what is wrong with the file; empty = nothing
};
/// All messages of a folder, oldest first. `store_secret` null = locked.
[[nodiscard]] Result<std::vector<Listed>> list_folder(Store& store, const std::string& folder,
                                                      const AgreeSecret* store_secret);
/// Cheap: only file and id, from the outer headers, of one folder or (empty) all of them.
[[nodiscard]] Result<std::vector<Listed>> list_ids(Store& store, const std::string& folder);
/// Cheaper: the newest `most` of all folders by the time in their names, newest first, with what
/// their outer headers say. Opens no other files; folders that cannot be read are left out.
[[nodiscard]] std::vector<Listed> list_newest(const Maildir& maildir, std::size_t most);
/// A message named as git names commits: a prefix (at least 4 digits) of an id, unambiguous; "@" the
/// newest of the inbox, "@~N" the one N before; "FOLDER/@~N" of that folder. kNotFound; kUsage when
/// ambiguous (says between what).
[[nodiscard]] Result<Listed> resolve_message(Store& store, std::string_view name);

}  // namespace p2pmail::core

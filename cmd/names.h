// Who is who: petnames for keys, and words for people who have none.
//
// A petname is the user's own and is shown bare. Everything a stranger chose (a display name) is
// cleaned and carries a '?' in front, so that it never looks like a petname.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/mime.h"
#include "core/result.h"
#include "core/store.h"

namespace p2pmail::cmd {

/// What one's own key is called, also as a recipient; never a petname.
inline constexpr std::string_view kMe = "me";

/// name@key.p2pmail.alt of a card's identity.
[[nodiscard]] std::string address_of(const core::Roster& roster);
[[nodiscard]] std::string address_of(const core::IdentityKey& key);

/// The address book at one moment.
class Names {
 public:
  [[nodiscard]] static core::Result<Names> load(core::Store& store);

  [[nodiscard]] std::optional<std::string> petname(const core::IdentityKey& key) const;
  /// Petname, "me", or the address.
  [[nodiscard]] std::string label(const core::IdentityKey& key) const;
  /// One line about a mailbox of a header; `proven` = its key is known to be the real one.
  [[nodiscard]] std::string describe(const core::Mailbox5322& mailbox, bool proven) const;
  /// The same, without the address where there is a name: for lists.
  [[nodiscard]] std::string brief(const core::Mailbox5322& mailbox, bool proven) const;
  [[nodiscard]] std::vector<std::string> petnames() const;

 private:
  core::IdentityKey own_;
  std::map<core::IdentityKey, std::string> petnames_;
};

/// A peer by petname or address. kUnknownRecipient, with the nearest petname as a hint.
[[nodiscard]] core::Result<core::Peer> find_peer(core::Store& store, const std::string& name);
/// The id that these 40 hex digits are; nullopt when they are not.
[[nodiscard]] std::optional<core::MessageId> message_id_in(const std::string& digits);
/// The key of an address, or of the 56 characters alone; nullopt when it is not meant as one.
[[nodiscard]] std::optional<core::Result<core::IdentityKey>> key_in(const std::string& word);

}  // namespace p2pmail::cmd

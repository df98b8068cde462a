// p2pmail peers query: the address book for mutt's query_command (and neomutt's).
//
// mutt(1) skips the first line; the others are ADDRESS<TAB>NAME<TAB>REMARK. NAME is the petname, so
// that mutt shows the user's own word; what somebody calls themselves is only a remark, with the
// '?' of a stranger's word. No field can hold a tab or a line end: all of them are cleaned.
#include <fmt/format.h>

#include "cmd/format.h"
#include "cmd/peers.h"
#include "core/fold.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

std::string remark_of(const core::Peer& peer) {
  std::string remark;
  const auto add = [&remark](const std::string& words) {
    remark += (remark.empty() ? "" : ", ") + words;
  };
  if (const auto name = own_name(peer); !name.empty()) add("?" + name);
  if (peer.verified) add("verified");
  if (peer.blocked) add("blocked");
  if (!peer.card) add("no card");
  return remark;
}

bool matches(const core::Peer& peer, const std::string& folded) {
  for (const auto& text : {peer.petname, own_name(peer), address_of(peer)}) {
    if (core::fold_case(text).find(folded) != std::string::npos) return true;
  }
  return false;
}

// JSON: {"address", "name" (their own word), "petname"}
std::string match_json(const core::Peer& peer) {
  return json_line("match", {{"address", address_of(peer)},
                             {"name", own_name(peer)},
                             {"petname", core::clean_line(peer.petname)}});
}

}  // namespace

Status query_peers(Env& env, const std::string& pattern) {
  auto peers = env.store().state().peers();
  if (!peers) return peers.error();
  const std::string folded = core::fold_case(pattern);
  std::size_t found = 0;
  std::string lines;
  for (const auto& peer : *peers) {
    if (!matches(peer, folded)) continue;
    ++found;
    lines += env.json ? match_json(peer)
                      : fmt::format("{}\t{}\t{}\n", address_of(peer),
                                    core::clean_line(peer.petname), remark_of(peer));
  }
  if (!env.json) env.print(fmt::format("{} of {} peers\n", found, peers->size()));
  env.print(lines);
  return {};
}

}  // namespace p2pmail::cmd

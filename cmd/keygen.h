// The hidden option of keygen and passwd that keeps tests quick.
#pragma once

#include "core/keys.h"

namespace CLI {
class App;
}

namespace p2pmail::cmd {

/// Testing only: a passphrase sealed so is no protection.
inline constexpr core::KdfCost kFastKdf{1, std::uint64_t{8} << 20};

void add_kdf_option(CLI::App& app, core::KdfCost& cost);

}  // namespace p2pmail::cmd

// Saving attachments: never outside the directory, never over a file, all of them or none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/mime.h"
#include "core/result.h"

namespace p2pmail::cmd {

/// Saves these parts into a directory, made when missing, (mode 0600) under names made safe; a name
/// that is taken gets -1, -2, ... before its extension. Answers the names. Contents are complete
/// and synced before any name appears; after a failure none is left. kNoSpace before anything is
/// written when the file system has no room for all of it. `wrote` hears of each piece, in bytes;
/// its error ends it.
[[nodiscard]] core::Result<std::vector<std::string>> save_parts(
    const core::Message& message, const std::vector<core::PartInfo>& parts,
    const std::string& directory, const std::function<core::Status(std::size_t)>& wrote = {});

}  // namespace p2pmail::cmd

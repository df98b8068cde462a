// Wipes what a key passed through on its way into or out of CBOR, however the function is left.
//
// The codec works on ordinary memory; this reaches what our own variables hold, not what it freed.
#pragma once

#include "core/bytes.h"
#include "core/cbor.h"
#include "core/crypto.h"

namespace p2pmail::core {

/// Wipes `bytes`, as they are at the end of the scope. Declare it after them.
class WipedBytes {
 public:
  explicit WipedBytes(Bytes& bytes) : bytes_(bytes) {}
  WipedBytes(const WipedBytes&) = delete;
  WipedBytes& operator=(const WipedBytes&) = delete;
  ~WipedBytes() { wipe(bytes_); }

 private:
  Bytes& bytes_;
};

/// Wipes the byte strings of a map (not of maps inside) at the end of the scope.
class WipedMap {
 public:
  explicit WipedMap(Value& map) : map_(map) {}
  WipedMap(const WipedMap&) = delete;
  WipedMap& operator=(const WipedMap&) = delete;
  ~WipedMap() {
    if (!map_.is_object()) return;
    for (auto& field : map_)
      if (field.is_binary()) wipe(field.get_binary());
  }

 private:
  Value& map_;
};

}  // namespace p2pmail::core

// Shared by the fuzz targets. A target is one file that defines `target`: it decodes its input in
// every way that the format has, and demands what must hold of whatever was accepted.
//
// Randomness is replaced by a generator that starts anew for each input, so that a finding can be
// played again and seeds fit the keys that the targets use.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <filesystem>
#include <string_view>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/letter.h"
#include "core/mime.h"
#include "tests/core/people.h"

namespace p2pmail::fuzz {

using namespace core;

/// Defined by each target's own file.
void target(ByteView input);

/// Replaces libsodium's source of randomness; once, before anything else.
void make_deterministic();
/// Starts the generator anew.
void reseed(std::uint64_t seed);

/// Ends the process, and says which property did not hold.
void demand(bool holds, const char* what);

/// Two people who are the same in every process: the sender and the recipient of everything.
const test::Person& alice();
const test::Person& bob();
const AgreePair& store_pair();
const SymmetricKey& fixed_key();

/// The bytes of a text as a message, which must outlive it; and a sink that appends to a string.
MessageSource source_of(std::string_view text);
Sink into(std::string& out);

/// {"b": body, "s": signature} with a signature that fits, whatever the input had there; nullopt
/// when it is not of that shape. What is signed is `before` and the body. Without this nothing
/// damaged would get past the signature.
std::optional<Bytes> signed_again(ByteView input, Context context, const SigningSecret& secret,
                                  ByteView before = {});

/// A directory of this process under TMPDIR (which tests/fuzz/run puts into memory).
const std::filesystem::path& scratch();
void write_scratch(const std::filesystem::path& path, ByteView bytes);

}  // namespace p2pmail::fuzz

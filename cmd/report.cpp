#include "cmd/report.h"

#include <sysexits.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cmd/format.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;

namespace {

struct Row {
  int status;
  const char* name;
};

// No default: a new code does not compile until it has its status and name.
Row row_of(Code code) {
  switch (code) {
    case Code::kUsage:
      return {EX_USAGE, "usage"};
    case Code::kMalformed:
      return {EX_DATAERR, "malformed"};
    case Code::kForged:
      return {EX_DATAERR, "forged"};
    case Code::kUnsupported:
      return {EX_DATAERR, "unsupported"};
    case Code::kUnknownPrekey:
      return {EX_TEMPFAIL, "unknown-prekey"};
    case Code::kNotFound:
      return {EX_NOINPUT, "not-found"};
    case Code::kUnknownRecipient:
      return {EX_NOUSER, "unknown-recipient"};
    case Code::kUnavailable:
      return {EX_UNAVAILABLE, "unavailable"};
    case Code::kRefused:
      return {EX_UNAVAILABLE, "refused"};
    case Code::kTimeout:
      return {EX_TEMPFAIL, "timeout"};
    case Code::kBusy:
      return {EX_TEMPFAIL, "busy"};
    case Code::kBug:
      return {EX_SOFTWARE, "bug"};
    case Code::kExists:
      return {EX_CANTCREAT, "exists"};
    case Code::kCannotCreate:
      return {EX_CANTCREAT, "cannot-create"};
    case Code::kIo:
      return {EX_IOERR, "io"};
    case Code::kNoSpace:
      return {EX_IOERR, "no-space"};
    case Code::kQuota:
      return {EX_TEMPFAIL, "quota"};
    case Code::kStampNeeded:
      return {EX_TEMPFAIL, "stamp"};
    case Code::kDenied:
      return {EX_NOPERM, "denied"};
    case Code::kWrongPassphrase:
      return {EX_NOPERM, "wrong-passphrase"};
    case Code::kLocked:
      return {EX_NOPERM, "locked"};
    case Code::kConfig:
      return {EX_CONFIG, "config"};
  }
  return {EX_SOFTWARE, "bug"};
}

std::string as_json(const core::Error& error) {
  nlohmann::ordered_json what{{"code", code_name(error.code)},
                              {"message", core::clean_line(error.context)}};
  if (!error.hint.empty()) what["hint"] = core::clean_line(error.hint);
  return json_line("error", {{"error", what}});
}

std::string as_text(const core::Error& error) {
  std::string text = "p2pmail: error: " + core::clean_line(error.context) + "\n";
  if (!error.hint.empty()) text += "p2pmail: hint: " + core::clean_line(error.hint) + "\n";
  return text;
}

}  // namespace

int exit_status(Code code) { return row_of(code).status; }
const char* code_name(Code code) { return row_of(code).name; }

int report(Env& env, const core::Error& error) {
  // `p2pmail ls | head -1`: the reader has what it wanted.
  if (!env.out_closed) write_best_effort(env.err, env.json ? as_json(error) : as_text(error));
  return exit_status(error.code);
}

}  // namespace p2pmail::cmd

// Options of sessions between two fake mailboxes, and the time at which their tests begin.
#pragma once

#include "net/session.h"
#include "tests/net/fake_mailbox.h"

namespace p2pmail::net {

inline constexpr std::uint64_t kStart = 1000;

inline Session::Options options_for(Session::Role role, const FakeMailbox& other) {
  Session::Options out;
  out.role = role;
  out.transport = other.transport;
  if (role == Session::Role::kDialer) out.expected = other.identity;
  return out;
}

}  // namespace p2pmail::net

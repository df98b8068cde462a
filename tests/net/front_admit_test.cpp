// Who may come in when places are few, and who has to go for it.
#include "net/front_admit.h"

#include <gtest/gtest.h>

namespace p2pmail::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Network ip4(std::uint64_t bits) { return {Network::Kind::kIp4, bits}; }
constexpr Network kHere{Network::Kind::kLoopback, 0x7f000001};

class Admitting : public testing::Test {
 protected:
  /// Each one a millisecond younger than the one before.
  Link& add(const Network& from) {
    auto link = std::make_unique<Link>();
    link->id = ++id;
    link->network = from;
    link->accepted = now + milliseconds(id);
    return *links.emplace(id, std::move(link)).first->second;
  }
  Link& conversation(const Network& from) {
    Link& link = add(from);
    link.met = true;
    return link;
  }
  static FrontBounds small() {
    FrontBounds out;
    out.connections = 6;
    out.waiting = 4;
    out.per_network = 3;
    return out;
  }

  Links links;
  std::uint32_t id = 0;
  FrontClock::time_point now{seconds(1000)};
  Admission admission{small()};
};

TEST_F(Admitting, WhileThereIsRoomNobodyGoes) {
  add(ip4(1));
  const auto answer = admission.admit(links, ip4(1), now);
  EXPECT_TRUE(answer.admitted);
  EXPECT_EQ(answer.victim, nullptr);
}

TEST_F(Admitting, OldestWithoutHelloOfTheLargestNetworkGoes) {
  add(ip4(2));
  Link& oldest = add(kHere);
  add(kHere);
  add(kHere);
  const auto answer = admission.admit(links, ip4(3), now);
  EXPECT_TRUE(answer.admitted);
  EXPECT_EQ(answer.victim, &oldest);
}

TEST_F(Admitting, ThoseWhoBeganTheKeyExchangeAndThoseWhoDidNotHaveHalfEach) {
  Link& begun = add(kHere);
  begun.unconsumed = 300;
  Link& silent = add(kHere);
  Link& third = add(kHere);
  Link& fourth = add(kHere);
  third.unconsumed = 10;
  EXPECT_EQ(admission.admit(links, kHere, now).victim, &silent);
  third.unconsumed = fourth.unconsumed = 266;
  EXPECT_EQ(admission.admit(links, kHere, now).victim, &begun);
}

TEST_F(Admitting, CrowdedNetworkMakesRoomItself) {
  add(ip4(2));
  conversation(ip4(1));
  Link& without_hello = add(ip4(1));
  conversation(ip4(1));
  const auto answer = admission.admit(links, ip4(1), now);
  EXPECT_TRUE(answer.admitted);
  EXPECT_EQ(answer.victim, &without_hello);
}

TEST_F(Admitting, CrowdedNetworkOfFriendsIsFull) {
  for (int i = 0; i < 3; ++i) conversation(ip4(1)).befriended = true;
  EXPECT_FALSE(admission.admit(links, ip4(1), now).admitted);
  EXPECT_TRUE(admission.admit(links, ip4(2), now).admitted);
}

TEST_F(Admitting, LoopbackIsNeverCrowdedByItself) {
  for (int i = 0; i < 5; ++i) conversation(kHere);
  EXPECT_EQ(admission.admit(links, kHere, now).victim, nullptr);
}

TEST_F(Admitting, EndingGoesBeforeWaitingBeforeStrangersAndFriendsStay) {
  conversation(kHere).befriended = true;
  conversation(kHere).befriended = true;
  Link& stranger = conversation(kHere);
  conversation(ip4(7));
  Link& waiting = add(ip4(7));
  Link& ending = conversation(ip4(8));
  ending.ending = true;
  EXPECT_EQ(admission.admit(links, ip4(3), now).victim, &ending);
  links.erase(ending.id);
  add(ip4(9)).befriended = true;
  EXPECT_EQ(admission.admit(links, ip4(3), now).victim, &waiting);
  for (auto& [number, link] : links) link->met = true;
  waiting.befriended = true;
  EXPECT_EQ(admission.admit(links, ip4(3), now).victim, &stranger);
  for (auto& [number, link] : links) link->befriended = true;
  EXPECT_FALSE(admission.admit(links, ip4(3), now).admitted);
}

TEST_F(Admitting, RateOfOneNetworkIsBoundedAndComesBack) {
  std::size_t admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += admission.admit(links, ip4(1), now).admitted ? 1 : 0;
  EXPECT_EQ(admitted, FrontBounds{}.burst);
  EXPECT_TRUE(admission.admit(links, ip4(2), now).admitted);
  admitted = 0;
  for (int i = 0; i < 1000; ++i)
    admitted += admission.admit(links, ip4(1), now + seconds(1)).admitted ? 1 : 0;
  EXPECT_EQ(admitted, FrontBounds{}.rate);
}

}  // namespace
}  // namespace p2pmail::net

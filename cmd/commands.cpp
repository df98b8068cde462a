#include "cmd/command.h"

namespace p2pmail::cmd {

namespace {

constexpr const char* kKeys = "Keys and people";
constexpr const char* kMail = "Mail";
constexpr const char* kNetwork = "Network";

constexpr Command kCommands[] = {
    {"keygen", kKeys, "Make an identity and print its address", Needs::kPaths, Json::kYes,
     add_keygen},
    {"passwd", kKeys, "Change the passphrase", Needs::kStore, Json::kNo, add_passwd},
    {"whoami", kKeys, "Print my address", Needs::kStore, Json::kYes, add_whoami},
    {"card", kKeys, "Print my card: what others need to write to me", Needs::kStore, Json::kYes,
     add_card},
    {"peers", kKeys, "List, add and change the people I know", Needs::kStore, Json::kYes,
     add_peers},
    {"send", kMail, "Send a message, its text from standard input", Needs::kStore, Json::kYes,
     add_send},
    {"ls", kMail, "List messages", Needs::kStore, Json::kYes, add_ls},
    {"show", kMail, "Show a message, or save its attachments", Needs::kStore, Json::kYes, add_show},
    {"mv", kMail, "Move messages to a folder", Needs::kStore, Json::kNo, add_mv},
    {"rm", kMail, "Move messages to the trash, or remove them", Needs::kStore, Json::kNo, add_rm},
    {"flag", kMail, "Set and clear flags of messages", Needs::kStore, Json::kNo, add_flag},
    {"folders", kMail, "List folders", Needs::kStore, Json::kYes, add_folders},
    {"unseal", kMail, "Write the message that a sealed file holds", Needs::kStore, Json::kNo,
     add_unseal},
    {"fetch", kNetwork, "Collect what waits for me, push what waits for others", Needs::kStore,
     Json::kYes, add_fetch},
    {"serve", kNetwork, "Listen, receive and deliver until told to stop", Needs::kStore, Json::kYes,
     add_serve},
    {"queue", kNetwork, "Show what is still to be delivered, and why", Needs::kStore, Json::kYes,
     add_queue},
    {"completion", "", "Print the completion script of a shell", Needs::kPaths, Json::kNo,
     add_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace p2pmail::cmd

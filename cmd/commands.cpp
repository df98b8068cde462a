#include "cmd/command.h"

namespace p2pmail::cmd {

namespace {

constexpr const char* kKeys = "Keys and people";
constexpr const char* kMail = "Mail";
constexpr const char* kNetwork = "Network";
constexpr const char* kSetUp = "Set-up";

constexpr Command kCommands[] = {
    {"keygen", kKeys, "Make an identity and print its address", Needs::kPaths, add_keygen},
    {"passwd", kKeys, "Change the passphrase", Needs::kStore, add_passwd},
    {"whoami", kKeys, "Print my address", Needs::kStore, add_whoami},
    {"unlock", kKeys, "Open the store for a while, without asking again", Needs::kStore,
     add_unlock},
    {"lock", kKeys, "Close the store again", Needs::kStore, add_lock},
    {"card", kKeys, "Print my card: what others need to write to me", Needs::kStore, add_card},
    {"peers", kKeys, "List, add and change the people I know", Needs::kStore, add_peers},
    {"send", kMail, "Send a message, its text from standard input", Needs::kStore, add_send},
    {"ls", kMail, "List messages", Needs::kStore, add_ls},
    {"show", kMail, "Show a message, or save its attachments", Needs::kStore, add_show},
    {"mv", kMail, "Move messages to a folder", Needs::kStore, add_mv},
    {"rm", kMail, "Move messages to the trash, or remove them", Needs::kStore, add_rm},
    {"flag", kMail, "Set and clear flags of messages", Needs::kStore, add_flag},
    {"folders", kMail, "List folders", Needs::kStore, add_folders},
    {"seal", kMail, "Seal a draft to my own store, as text", Needs::kStore, add_seal},
    {"unseal", kMail, "Write the message that a sealed file holds", Needs::kStore, add_unseal},
    {"fetch", kNetwork, "Collect what waits for me, push what waits for others", Needs::kStore,
     add_fetch},
    {"serve", kNetwork, "Listen, receive and deliver until told to stop", Needs::kStore, add_serve},
    {"queue", kNetwork, "Show what is still to be delivered, and why", Needs::kStore, add_queue},
    {"relay", kNetwork, "Hold letters for friends, and let friends hold mine", Needs::kStore,
     add_relay},
    {"muttrc", kSetUp, "Print a configuration for mutt or neomutt", Needs::kStore, add_muttrc},
    {"config", kSetUp, "Show every setting and where it comes from", Needs::kPaths, add_config},
    {"doctor", kSetUp, "Check keys, files, mail and places, and say what to do", Needs::kPaths,
     add_doctor},
    {"complete", "", "Print words for a completion script", Needs::kPaths, add_complete},
    {"completion", "", "Print the completion script of a shell", Needs::kPaths, add_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace p2pmail::cmd

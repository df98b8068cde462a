// p2pmail muttrc: prints a configuration for mutt or neomutt, to be kept in a file and sourced.
//
// The decrypt hook is mutt's for PGP (design: "Mail at rest"): a sealed file has the shape of RFC
// 3156. Temporary files go to the runtime directory, which is memory: mutt writes every message
// that it shows into one.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <memory>

#include "cmd/command.h"
#include "cmd/names.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

struct Options {
  bool neomutt = false;
  bool tmpdir = false;
};

/// For mutt's double quotes, in which a backslash, $ and ` mean something.
std::string quoted(const std::string& text) {
  std::string all = "\"";
  for (const char c : text) {
    if (c == '\\' || c == '"' || c == '$' || c == '`') all += '\\';
    all += c;
  }
  return all + "\"";
}

/// For sh, inside of a command that mutt hands to it.
std::string shell_word(const std::string& text) {
  if (text.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
      std::string::npos) {
    return text;
  }
  std::string all = "'";
  for (const char c : text) all += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return all + "'";
}

/// The process in a name that mutt gives: mutt-HOST-UID-PID-RANDOM, neomutt-... alike; 0 = none.
/// Read from its end, because a host may have hyphens.
pid_t owner_of(std::string_view name) {
  if (!name.starts_with("mutt-") && !name.starts_with("neomutt-")) return 0;
  const auto last = name.rfind('-');
  if (last == 0 || last == std::string_view::npos) return 0;
  const auto before = name.rfind('-', last - 1);
  if (before == std::string_view::npos) return 0;
  pid_t pid = 0;
  const auto digits = name.substr(before + 1, last - before - 1);
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  return failure == std::errc{} && end == digits.data() + digits.size() ? pid : 0;
}

/// What a mail program that was killed has left: plaintext, in memory, of nobody who still lives.
void sweep(int directory) {
  DIR* entries = fdopendir(dup(directory));
  if (entries == nullptr) return;
  while (const dirent* entry = readdir(entries)) {
    const pid_t owner = owner_of(entry->d_name);
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) unlinkat(directory, entry->d_name, 0);
  }
  closedir(entries);
}

/// Ours alone or not used: anybody may make names in /dev/shm.
Status make_tmpdir(Env& env) {
  const auto& path = env.runtime;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return core::errno_error(errno, path, "cannot create");
  }
  const core::Fd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return core::errno_error(errno, path, "cannot open");
  struct stat facts {};
  if (fstat(directory.get(), &facts) != 0) return core::errno_error(errno, path, "cannot look at");
  if (facts.st_uid != getuid() || (facts.st_mode & 077) != 0) {
    return Error{Code::kDenied, path.string() + ": belongs to others, or others may enter it",
                 "set XDG_RUNTIME_DIR to a directory of your own in memory"};
  }
  sweep(directory.get());
  env.print(path.string() + "\n");
  return {};
}

std::string escaped_dots(const std::string& text) {
  std::string all;
  for (const char c : text) all += c == '.' ? std::string("\\.") : std::string(1, c);
  return all;
}

/// The commands as mutt runs them: %f is a file, %s the pattern that was asked for.
struct Hooks {
  std::string unseal, seal, send, query, aliases, tmpdir, unlock;
};
Hooks hooks_of(const Env& env) {
  const std::string us = shell_word(env.program);
  return {us + " unseal --no-ask %f",
          us + " seal %f",
          us + " send -oem -oi",
          us + " peers query -- %s",
          us + " peers export --mutt",
          us + " muttrc --tmpdir",
          us + " unlock"};
}

std::string mailboxes(core::Store& store) {
  std::string line = "mailboxes";
  for (const auto& folder : store.maildir().folders()) {
    line += " " + quoted(folder == core::kInbox ? "+" : "+" + core::clean_line(folder));
  }
  return line + "\n";
}

std::string people(Env& env) {
  const auto& roster = env.store().card().roster.value;
  const std::string address = address_of(roster);
  const std::string domain = address.substr(address.find('@') + 1);
  return fmt::format(
      "\n# Who I am. From has to be my own address: it is what others check the signature "
      "against.\n"
      "set realname={}\n"
      "set from={}\n"
      "set use_from\n"
      "unset use_domain\n"
      "alternates {}\n",
      quoted(core::clean_line(roster.name)), quoted(address),
      quoted("@" + escaped_dots(domain) + "$"));
}

std::string text_of(Env& env, bool neomutt) {
  const Hooks hooks = hooks_of(env);
  const std::string root = env.store().maildir().root().string();
  std::string text = fmt::format(
      "# {} on the sealed Maildir of p2pmail; made by `p2pmail muttrc`, see p2pmail-muttrc(1).\n",
      neomutt ? "neomutt" : "mutt");
  if (!env.variables.home.empty()) {
    text += "setenv P2PMAIL_HOME " + quoted(env.paths.root.string()) + "\n";
  }
  text += "\n# The Maildir. Folders made later: run muttrc again.\nset mbox_type=Maildir\n";
  text += "set folder=" + quoted(root) + "\nset spoolfile=" + quoted(root) + "\n";
  text += mailboxes(env.store());
  text += "set postponed=\"+.Drafts\"\nset trash=\"+.Trash\"\n";
  text += "unset record             # send keeps a sealed copy in .Sent\n";
  text += "unset header_cache\n";
  text += people(env);
  text +=
      "\n# Sending. What send says against a message is shown before it leaves the compose menu.\n";
  text +=
      "set sendmail=" + quoted(hooks.send) + "\nset sendmail_wait=30\nunset use_envelope_from\n";
  text += "set query_command=" + quoted(hooks.query) + "\n";
  text += "source " + quoted(hooks.aliases + "|") + "\n";
  text +=
      "\n# Opening sealed mail. A locked store: press U to unlock it for a while.\n"
      "unset crypt_use_gpgme\n"
      "set pgp_use_gpg_agent    # nothing asks inside of mutt\n";
  text += "set pgp_decrypt_command=" + quoted(hooks.unseal) + "\n";
  text +=
      "set pgp_decryption_okay=\"^p2pmail: good: \"\n"
      "unset pgp_check_gpg_decrypt_status_fd\n"
      "set crypt_protected_headers_read\n";
  text +=
      "macro index,pager U \"<shell-escape>" + hooks.unlock + "<enter>\" \"unlock the store\"\n";
  text +=
      "\n# PGP itself would only get in the way: everything is sealed on its way already.\n"
      "unset crypt_autosign crypt_replysign crypt_replyencrypt crypt_replysignencrypted\n"
      "unset pgp_autoinline pgp_replyinline pgp_auto_decode\n"
      "set crypt_verify_sig=no\n";
  text +=
      "\n# Drafts are sealed when they are postponed: mutt seals what is marked for encryption, "
      "so\n"
      "# that mark is set, and taken off again when the message is sent.\n"
      "set crypt_autoencrypt postpone_encrypt postpone_encrypt_as=\"p2pmail\"\n";
  text += "set pgp_encrypt_only_command=" + quoted(hooks.seal) + "\n";
  text += "macro compose y \"<pgp-menu>c<send-message>\" \"send the message\"\n";
  text +=
      "\n# Plaintext only in memory; what an earlier mutt left when it was killed is removed "
      "here.\n";
  text += "set tmpdir=\"`" + hooks.tmpdir + "`\"\n";
  return text;
}

Status run_muttrc(Env& env, const Options& options) {
  if (options.tmpdir) return make_tmpdir(env);
  if (core::has_controls(env.paths.root.string())) {
    return Error{Code::kConfig, "the directory of the store has a name that mutt cannot take", ""};
  }
  env.print(text_of(env, options.neomutt));
  return {};
}

}  // namespace

Action add_muttrc(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* neomutt = app.add_flag("--neomutt", options->neomutt, "For neomutt instead of mutt");
  app.add_flag("--tmpdir", options->tmpdir,
               "Make and print the directory in memory for mutt's temporary files")
      ->excludes(neomutt);
  return [options](Env& env) { return run_muttrc(env, *options); };
}

}  // namespace p2pmail::cmd

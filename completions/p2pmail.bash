# bash completion for p2pmail; made by `p2pmail completion bash`
_p2pmail() {
  local cur=${COMP_WORDS[COMP_CWORD]} words
  local before=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  case "${before[*]}" in
    "keygen"*) words=" -h --help --name --passphrase-file --passphrase-fd --no-passphrase -q --quiet -v --verbose --json" ;;
    "passwd"*) words=" -h --help --passphrase-file --passphrase-fd --new-passphrase-file --no-passphrase -q --quiet -v --verbose --json" ;;
    "whoami"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "card"*) words=" -h --help --link --qr -o --output -q --quiet -v --verbose --json" ;;
    "peers ls"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers add"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers rm"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers rename"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers show"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers verify"*) words=" -h --help --yes -q --quiet -v --verbose --json" ;;
    "peers block"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers unblock"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers query"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers export"*) words=" -h --help --mutt -q --quiet -v --verbose --json" ;;
    "peers import"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "peers"*) words=" ls add rm rename show verify block unblock query export import -h --help -q --quiet -v --verbose --json" ;;
    "send"*) words=" -h --help -s --subject -a --attach -c --cc -b --bcc --in-reply-to --wait --no-push -q --quiet -v --verbose --json" ;;
    "ls"*) words=" -h --help -n --unread --passphrase-file --passphrase-fd -q --quiet -v --verbose --json" ;;
    "show"*) words=" -h --help --raw --headers --part --save --passphrase-file --passphrase-fd -q --quiet -v --verbose --json" ;;
    "mv"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "rm"*) words=" -h --help --purge -q --quiet -v --verbose --json" ;;
    "flag"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "folders"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "unseal"*) words=" -h --help --passphrase-file --passphrase-fd -q --quiet -v --verbose --json" ;;
    "fetch"*) words=" -h --help --timeout -q --quiet -v --verbose --json" ;;
    "serve"*) words=" -h --help --listen --advertise -q --quiet -v --verbose --json" ;;
    "queue ls"*) words=" -h --help -q --quiet -v --verbose --json" ;;
    "queue"*) words=" ls -h --help -q --quiet -v --verbose --json" ;;
    *) words=" keygen passwd whoami card peers send ls show mv rm flag folders unseal fetch serve queue -h --help --version" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _p2pmail p2pmail

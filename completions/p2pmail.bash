# bash completion for p2pmail; made by `p2pmail completion bash`, not by hand
# shellcheck shell=bash disable=SC2034,SC2086,SC2206

# _p2pmail_command PATH: its commands, options, and those that take a value; fails for others.
_p2pmail_command() {
  case $1 in
    '')
      commands='keygen passwd whoami unlock lock card peers send ls show mv rm flag folders seal unseal fetch serve queue relay muttrc config doctor'
      options='-h --help --version'
      valued=''
      ;;
    'keygen')
      commands=''
      options='-h --help --name --passphrase-file --passphrase-fd --no-passphrase -q --quiet -v --verbose --json'
      valued='--name --passphrase-file --passphrase-fd'
      ;;
    'passwd')
      commands=''
      options='-h --help --passphrase-file --passphrase-fd --new-passphrase-file --no-passphrase -q --quiet -v --verbose --json'
      valued='--passphrase-file --passphrase-fd --new-passphrase-file'
      ;;
    'whoami')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'unlock')
      commands=''
      options='-h --help --for --passphrase-file --passphrase-fd -q --quiet -v --verbose --json'
      valued='--for --passphrase-file --passphrase-fd'
      ;;
    'lock')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'card')
      commands=''
      options='-h --help --link --qr -o --output -q --quiet -v --verbose --json'
      valued='-o --output'
      ;;
    'peers')
      commands='ls add accept rm rename show verify block unblock query export import'
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers ls')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers add')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers accept')
      commands=''
      options='-h --help --passphrase-file --passphrase-fd -q --quiet -v --verbose --json'
      valued='--passphrase-file --passphrase-fd'
      ;;
    'peers rm')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers rename')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers show')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers verify')
      commands=''
      options='-h --help --yes -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers block')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers unblock')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers query')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers export')
      commands=''
      options='-h --help --mutt -q --quiet -v --verbose --json'
      valued=''
      ;;
    'peers import')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'send')
      commands=''
      options='-h --help -s --subject -a --attach -c --cc -b --bcc --in-reply-to -t -i -o -f -F -B -N -R --wait --limit-rate --notify --no-push -q --quiet -v --verbose --json'
      valued='-s --subject -a --attach -c --cc -b --bcc --in-reply-to -o -f -F -B -N -R --wait --limit-rate'
      ;;
    'ls')
      commands=''
      options='-h --help -n --unread --passphrase-file --passphrase-fd -q --quiet -v --verbose --json'
      valued='-n --passphrase-file --passphrase-fd'
      ;;
    'show')
      commands=''
      options='-h --help --raw --headers --part --save --passphrase-file --passphrase-fd -q --quiet -v --verbose --json'
      valued='--part --save --passphrase-file --passphrase-fd'
      ;;
    'mv')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'rm')
      commands=''
      options='-h --help --purge -q --quiet -v --verbose --json'
      valued=''
      ;;
    'flag')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'folders')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'seal')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'unseal')
      commands=''
      options='-h --help --no-ask --passphrase-file --passphrase-fd -q --quiet -v --verbose --json'
      valued='--passphrase-file --passphrase-fd'
      ;;
    'fetch')
      commands=''
      options='-h --help --timeout --limit-rate --max-size --list -q --quiet -v --verbose --json'
      valued='--timeout --limit-rate --max-size'
      ;;
    'serve')
      commands=''
      options='-h --help --listen --advertise --limit-rate --max-size -q --quiet -v --verbose --json'
      valued='--listen --advertise --limit-rate --max-size'
      ;;
    'queue')
      commands='ls show retry cancel'
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'queue ls')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'queue show')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'queue retry')
      commands=''
      options='-h --help --to -q --quiet -v --verbose --json'
      valued='--to'
      ;;
    'queue cancel')
      commands=''
      options='-h --help --to -q --quiet -v --verbose --json'
      valued='--to'
      ;;
    'relay')
      commands='ls allow revoke use leave'
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'relay ls')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'relay allow')
      commands=''
      options='-h --help --quota --keep -q --quiet -v --verbose --json'
      valued='--quota --keep'
      ;;
    'relay revoke')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'relay use')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'relay leave')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'muttrc')
      commands=''
      options='-h --help --neomutt --tmpdir -q --quiet -v --verbose --json'
      valued=''
      ;;
    'config')
      commands=''
      options='-h --help --path -q --quiet -v --verbose --json'
      valued=''
      ;;
    'doctor')
      commands=''
      options='-h --help --offline --repair -q --quiet -v --verbose --json'
      valued=''
      ;;
    'complete')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    'completion')
      commands=''
      options='-h --help -q --quiet -v --verbose --json'
      valued=''
      ;;
    *) return 1 ;;
  esac
}

# _p2pmail_value PATH OPTION|POSITION: what it may be, into kinds.
_p2pmail_value() {
  kinds=''
  case $1:$2 in
    'keygen:--passphrase-file') kinds='files' ;;
    'passwd:--passphrase-file') kinds='files' ;;
    'passwd:--new-passphrase-file') kinds='files' ;;
    'unlock:--passphrase-file') kinds='files' ;;
    'card:-o' | 'card:--output') kinds='files' ;;
    'peers add:1') kinds='peers' ;;
    'peers add:2') kinds='files' ;;
    'peers accept:--passphrase-file') kinds='files' ;;
    'peers accept:1') kinds='peers' ;;
    'peers accept:2') kinds='messages' ;;
    'peers rm:1') kinds='peers' ;;
    'peers rename:1') kinds='peers' ;;
    'peers show:1') kinds='peers' ;;
    'peers verify:1') kinds='peers' ;;
    'peers block:1') kinds='peers' ;;
    'peers unblock:1') kinds='peers' ;;
    'peers export:'[1-9]*) kinds='peers' ;;
    'peers import:1') kinds='files' ;;
    'send:-a' | 'send:--attach') kinds='files' ;;
    'send:-c' | 'send:--cc') kinds='peers word=me' ;;
    'send:-b' | 'send:--bcc') kinds='peers word=me' ;;
    'send:--in-reply-to') kinds='messages' ;;
    'send:'[1-9]*) kinds='peers word=me' ;;
    'ls:--passphrase-file') kinds='files' ;;
    'ls:1') kinds='folders' ;;
    'show:--save') kinds='directories' ;;
    'show:--passphrase-file') kinds='files' ;;
    'show:1') kinds='messages' ;;
    'mv:'[1-9]*) kinds='messages folders' ;;
    'rm:'[1-9]*) kinds='messages' ;;
    'flag:'[1-9]*) kinds='messages word=+draft word=+flagged word=+passed word=+replied word=+seen word=+trashed word=-draft word=-flagged word=-passed word=-replied word=-seen word=-trashed' ;;
    'seal:1') kinds='files' ;;
    'unseal:--passphrase-file') kinds='files' ;;
    'unseal:1') kinds='files' ;;
    'fetch:'[1-9]*) kinds='peers' ;;
    'queue show:1') kinds='messages' ;;
    'queue retry:--to') kinds='peers word=me' ;;
    'queue retry:'[1-9]*) kinds='messages' ;;
    'queue cancel:--to') kinds='peers word=me' ;;
    'queue cancel:'[1-9]*) kinds='messages' ;;
    'relay allow:1') kinds='peers' ;;
    'relay revoke:1') kinds='peers' ;;
    'relay use:1') kinds='peers' ;;
    'relay leave:1') kinds='peers' ;;
    'complete:1') kinds='word=peers word=folders word=messages' ;;
    'completion:1') kinds='word=bash word=zsh word=fish' ;;
  esac
}

# Splits the line up to the cursor: _p2p_words (unquoted), _p2p_raw (the last one as typed), and
# whether the last one is the file of a redirection.
_p2pmail_split() {
  local line=${COMP_LINE:0:COMP_POINT} c quote='' word='' i
  local -i some=0 redirect=0
  _p2p_words=() _p2p_raw=''
  for ((i = 0; i < ${#line}; i++)); do
    c=${line:i:1}
    if [[ $quote ]]; then
      if [[ $c == "$quote" ]]; then quote=''; else word+=$c; fi
      _p2p_raw+=$c
    elif [[ $c == [\'\"] ]]; then
      quote=$c some=1 _p2p_raw+=$c
    elif [[ $c == \\ ]]; then
      i+=1 some=1 word+=${line:i:1} _p2p_raw+=$c${line:i:1}
    elif [[ $c == [[:blank:]] || $c == [\<\>] ]]; then
      if ((some)); then
        ((redirect)) || _p2p_words+=("$word")
        redirect=0
      fi
      [[ $c == [\<\>] ]] && redirect=1
      some=0 word='' _p2p_raw=''
    else
      some=1 word+=$c _p2p_raw+=$c
    fi
  done
  _p2p_words+=("$word")
  _p2p_redirect=$redirect
}

# _p2pmail_words KIND...: what may stand here, into _p2p_found.
_p2pmail_words() {
  local kind list
  for kind; do
    case $kind in
      word=*) _p2p_found+=("${kind#word=}") ;;
      files) compopt -o default 2>/dev/null ;;
      directories) compopt -o dirnames 2>/dev/null ;;
      *)
        mapfile -t list < <(p2pmail complete "$kind" 2>/dev/null </dev/null)
        _p2p_found+=("${list[@]%%$'\t'*}")
        compopt -o nosort 2>/dev/null
        ;;
    esac
  done
}

_p2pmail() {
  local -a _p2p_words _p2p_found=()
  local _p2p_raw _p2p_redirect commands options valued path='' kinds='' word prefix='' quoted kept
  local -i at=0 i only=0
  COMPREPLY=()
  _p2pmail_split
  if ((_p2p_redirect)); then
    compopt -o default 2>/dev/null
    return
  fi
  local cur=${_p2p_words[-1]}
  _p2pmail_command ''
  for ((i = 1; i < ${#_p2p_words[@]} - 1; i++)); do
    word=${_p2p_words[i]}
    if ((!only)) && [[ $word == -- ]]; then
      only=1
    elif ((!only)) && [[ $word == -?* ]]; then
      if [[ " $valued " == *" $word "* ]]; then i+=1; fi
    elif ((at == 0)) && _p2pmail_command "${path:+$path }$word"; then
      path=${path:+$path }$word
    else
      at+=1
    fi
  done
  if ((i == ${#_p2p_words[@]})); then # stepped over the last word: it is the value of an option
    _p2pmail_value "$path" "${_p2p_words[-2]}"
    _p2pmail_words $kinds
  elif ((!only)) && [[ $cur == --*=* ]]; then
    prefix=${cur%%=*}=
    _p2pmail_value "$path" "${cur%%=*}"
    _p2pmail_words $kinds
  else
    _p2pmail_value "$path" $((at + 1))
    if ((at == 0)); then _p2p_found+=($commands); fi
    if ((!only)) && [[ $cur == -* ]]; then _p2p_found+=($options); fi
    _p2pmail_words $kinds
  fi
  kept=${_p2p_raw%"$2"}
  for word in "${_p2p_found[@]}"; do
    word=$prefix$word
    [[ $word == "$cur"* ]] || continue
    printf -v quoted %q "$word"
    if [[ $_p2p_raw == *[\'\"]* ]]; then
      # Inside quotes another quoting holds: only what needs none.
      [[ $quoted == "$word" && $_p2p_raw == [\'\"]"$cur" ]] && COMPREPLY+=("$word")
    elif [[ $quoted == "$kept"* ]]; then
      COMPREPLY+=("${quoted#"$kept"}")
    fi
  done
}
complete -F _p2pmail p2pmail

# fish completion for p2pmail; made by `p2pmail completion fish`, not by hand

# Commands inside a command, and options that take a value.
function __p2pmail_commands
    switch "$argv[1]"
        case ''
            printf '%s\n' keygen passwd whoami unlock lock card peers send ls show mv rm flag folders seal unseal fetch serve queue relay muttrc config doctor complete completion
        case 'peers'
            printf '%s\n' ls add accept rm rename show verify block unblock query export import
        case 'queue'
            printf '%s\n' ls show retry cancel
        case 'relay'
            printf '%s\n' ls allow revoke use leave
    end
end

function __p2pmail_valued
    switch "$argv[1]"
        case 'keygen'
            printf '%s\n' --name --passphrase-file --passphrase-fd
        case 'passwd'
            printf '%s\n' --passphrase-file --passphrase-fd --new-passphrase-file
        case 'unlock'
            printf '%s\n' --for --passphrase-file --passphrase-fd
        case 'card'
            printf '%s\n' -o --output
        case 'peers accept'
            printf '%s\n' --passphrase-file --passphrase-fd
        case 'send'
            printf '%s\n' -s --subject -a --attach -c --cc -b --bcc --in-reply-to -o -f -F -B -N -R --wait --limit-rate
        case 'ls'
            printf '%s\n' -n --passphrase-file --passphrase-fd
        case 'show'
            printf '%s\n' --part --save --passphrase-file --passphrase-fd
        case 'unseal'
            printf '%s\n' --passphrase-file --passphrase-fd
        case 'fetch'
            printf '%s\n' --timeout --limit-rate --max-size
        case 'serve'
            printf '%s\n' --listen --advertise --limit-rate --max-size
        case 'queue retry'
            printf '%s\n' --to
        case 'queue cancel'
            printf '%s\n' --to
        case 'relay allow'
            printf '%s\n' --quota --keep
    end
end

# The path of the command that the line names so far, and which of its positions comes next.
function __p2pmail_where
    set -l words (commandline -opc)
    while string match -qr '^[A-Za-z_][A-Za-z_0-9]*=' -- $words[1]
        set -e words[1]
    end
    set -l path ''
    set -l position 1
    set -l skip 0
    set -l only 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if test $only = 0; and test "$word" = --
            set only 1
        else if test $only = 0; and string match -q -- '-?*' $word
            contains -- $word (__p2pmail_valued "$path"); and set skip 1
        else if test $position = 1; and contains -- $word (__p2pmail_commands "$path")
            set path (string trim -- "$path $word")
        else
            set position (math $position + 1)
        end
    end
    printf '%s\n' "$path" $position
end

# __p2pmail_at PATH [POSITION [more]]: whether we are there ("more": or at a later position).
function __p2pmail_at
    set -l where (__p2pmail_where)
    test "$where[1]" = "$argv[1]"; or return 1
    switch (count $argv)
        case 1
            return 0
        case 2
            test $where[2] = $argv[2]
        case '*'
            test $where[2] -ge $argv[2]
    end
end

function __p2pmail_list
    p2pmail complete $argv[1] 2>/dev/null </dev/null
end

complete -c p2pmail -e
complete -c p2pmail -f

complete -c p2pmail -n '__p2pmail_at \'\' 1' -a keygen -d 'Make an identity and print its address'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a passwd -d 'Change the passphrase'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a whoami -d 'Print my address'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a unlock -d 'Open the store for a while, without asking again'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a lock -d 'Close the store again'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a card -d 'Print my card: what others need to write to me'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a peers -d 'List, add and change the people I know'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a send -d 'Send a message, its text from standard input'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a ls -d 'List messages'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a show -d 'Show a message, or save its attachments'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a mv -d 'Move messages to a folder'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a rm -d 'Move messages to the trash, or remove them'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a flag -d 'Set and clear flags of messages'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a folders -d 'List folders'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a seal -d 'Seal a draft to my own store, as text'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a unseal -d 'Write the message that a sealed file holds'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a fetch -d 'Collect what waits for me, push what waits for others'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a serve -d 'Listen, receive and deliver until told to stop'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a queue -d 'Show what is still to be delivered, and why'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a relay -d 'Hold letters for friends, and let friends hold mine'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a muttrc -d 'Print a configuration for mutt or neomutt'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a config -d 'Show every setting and where it comes from'
complete -c p2pmail -n '__p2pmail_at \'\' 1' -a doctor -d 'Check keys, files, mail and places, and say what to do'
complete -c p2pmail -n '__p2pmail_at \'\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'\'' -l version -d 'Print the version and exit'

complete -c p2pmail -n '__p2pmail_at \'keygen\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -l name -x -d 'The name that others see'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -l no-passphrase -d 'Keep the keys in the open'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'keygen\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'passwd\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -l new-passphrase-file -r -F -d 'File whose first line is the new passphrase'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -l no-passphrase -d 'Keep the keys in the open from now on'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'passwd\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'whoami\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'whoami\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'whoami\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'whoami\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'unlock\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -l for -x -d 'How long; by default the setting unlock_for, 1h'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'unlock\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'lock\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'lock\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'lock\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'lock\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'card\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'card\'' -l link -d 'One line to paste instead of the whole card'
complete -c p2pmail -n '__p2pmail_at \'card\'' -l qr -d 'The link as a QR code, drawn with characters'
complete -c p2pmail -n '__p2pmail_at \'card\'' -s o -l output -r -F -d 'Write to a file'
complete -c p2pmail -n '__p2pmail_at \'card\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'card\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'card\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a ls -d 'List them (the default)'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a add -d 'Add a peer, or a newer card of one'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a accept -d 'Add whoever wrote a message, and take his mail out of Requests'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a rm -d 'Forget a peer'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a rename -d 'Change a petname'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a show -d 'Show what is known about a peer'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a verify -d 'Compare words with a peer, to be sure of the key'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a block -d 'Take no mail from a peer'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a unblock -d 'Take mail again'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a query -d 'Find peers, in the form of mutt\'s query_command'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a export -d 'Print the cards of peers'
complete -c p2pmail -n '__p2pmail_at \'peers\' 1' -a import -d 'Add everybody in what export has printed'
complete -c p2pmail -n '__p2pmail_at \'peers\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'peers ls\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers ls\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers ls\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers ls\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'peers add\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers add\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers add\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers add\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers add\' 1' -k -a '(__p2pmail_list peers)'
complete -c p2pmail -n '__p2pmail_at \'peers add\' 2' -F

complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers accept\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers accept\' 1' -k -a '(__p2pmail_list peers)'
complete -c p2pmail -n '__p2pmail_at \'peers accept\' 2' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'peers rm\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers rm\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers rm\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers rm\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers rm\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers rename\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers rename\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers rename\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers rename\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers rename\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers show\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers show\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers show\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers show\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers show\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers verify\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers verify\'' -l yes -d 'The words agree: mark without asking'
complete -c p2pmail -n '__p2pmail_at \'peers verify\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers verify\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers verify\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers verify\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers block\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers block\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers block\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers block\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers block\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers unblock\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers unblock\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers unblock\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers unblock\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers unblock\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers query\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers query\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers query\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers query\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'peers export\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers export\'' -l mutt -d 'Lines for a muttrc instead: one alias per peer'
complete -c p2pmail -n '__p2pmail_at \'peers export\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers export\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers export\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers export\' 1 more' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'peers import\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'peers import\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'peers import\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'peers import\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'peers import\' 1' -F

complete -c p2pmail -n '__p2pmail_at \'send\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s s -l subject -x -d 'Subject'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s a -l attach -r -F -d 'Attach a file; - is standard input'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s c -l cc -x -k -a '(__p2pmail_list peers) me' -d 'Carbon copy'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s b -l bcc -x -k -a '(__p2pmail_list peers) me' -d 'Blind carbon copy'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l in-reply-to -x -k -a '(__p2pmail_list messages)' -d 'Message that this one answers'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s t -d 'Recipients from To, Cc and Bcc as well'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s i -d 'A dot ends nothing (it never does)'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s o -x -d '-oi, -oem: accepted; -odq: only queue'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s f -x -d 'Envelope sender, for the fallback command'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s F -x -d 'Name for a From that is missing or has none'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s B -s N -s R -x -d 'Accepted, means nothing here'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l wait -x -d 'Wait for all receipts, at most so long'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l limit-rate -x -d 'Bytes a second, as 512K or 2M; 0 = no limit'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l notify -d 'A notice in the inbox for each receipt'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l no-push -d 'Only queue; serve or fetch will deliver'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'send\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'send\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'send\' 1 more' -k -a '(__p2pmail_list peers) me'

complete -c p2pmail -n '__p2pmail_at \'ls\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -s n -x -d 'Only the newest N'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -l unread -d 'Only what was not read yet'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'ls\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'ls\' 1' -k -a '(__p2pmail_list folders)'

complete -c p2pmail -n '__p2pmail_at \'show\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l raw -d 'The message byte for byte'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l headers -d 'Only the header, all of it'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l part -x -d 'The content of part N'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l save -x -k -a '(__fish_complete_directories (commandline -ct))' -d 'Save all attachments there; made when missing'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'show\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'show\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'show\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'show\' 1' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'mv\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'mv\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'mv\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'mv\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'mv\' 1 more' -k -a '(__p2pmail_list messages) (__p2pmail_list folders)'

complete -c p2pmail -n '__p2pmail_at \'rm\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'rm\'' -l purge -d 'Remove for good, wherever they are'
complete -c p2pmail -n '__p2pmail_at \'rm\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'rm\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'rm\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'rm\' 1 more' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'flag\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'flag\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'flag\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'flag\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -k -a '(__p2pmail_list messages) +draft +flagged +passed +replied +seen +trashed'
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o draft
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o flagged
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o passed
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o replied
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o seen
complete -c p2pmail -n '__p2pmail_at \'flag\' 1 more' -o trashed

complete -c p2pmail -n '__p2pmail_at \'folders\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'folders\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'folders\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'folders\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'seal\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'seal\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'seal\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'seal\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'seal\' 1' -F

complete -c p2pmail -n '__p2pmail_at \'unseal\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -l no-ask -d 'Never ask for a passphrase: fail when it is locked'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -l passphrase-file -r -F -d 'File whose first line is the passphrase'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -l passphrase-fd -x -d 'Descriptor to read the passphrase from'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'unseal\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'unseal\' 1' -F

complete -c p2pmail -n '__p2pmail_at \'fetch\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -l timeout -x -d 'For everything together'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -l limit-rate -x -d 'Bytes a second, as 512K or 2M; 0 = no limit'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -l max-size -x -d 'Leave larger letters with the sender; 0 = take all'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -l list -d 'What was left with its sender; fetch nothing'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'fetch\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'fetch\' 1 more' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'serve\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -l listen -x -d 'Where to listen (default tcp://*:7787); port 0 = any'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -l advertise -x -d 'What my card says; default: where I listen, if that is an address'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -l limit-rate -x -d 'Bytes a second that are sent in all, as 512K or 2M; 0 = no limit'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -l max-size -x -d 'Leave larger letters with the sender; 0 = take all'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'serve\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'queue\' 1' -a ls -d 'List them (the default)'
complete -c p2pmail -n '__p2pmail_at \'queue\' 1' -a show -d 'What became of one message'
complete -c p2pmail -n '__p2pmail_at \'queue\' 1' -a retry -d 'Try now, whenever it would be due'
complete -c p2pmail -n '__p2pmail_at \'queue\' 1' -a cancel -d 'Do not send it any more'
complete -c p2pmail -n '__p2pmail_at \'queue\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'queue\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'queue\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'queue\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'queue ls\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'queue ls\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'queue ls\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'queue ls\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'queue show\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'queue show\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'queue show\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'queue show\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'queue show\' 1' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'queue retry\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'queue retry\'' -l to -x -k -a '(__p2pmail_list peers) me' -d 'Only for this recipient'
complete -c p2pmail -n '__p2pmail_at \'queue retry\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'queue retry\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'queue retry\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'queue retry\' 1 more' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'queue cancel\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'queue cancel\'' -l to -x -k -a '(__p2pmail_list peers) me' -d 'Only for this recipient'
complete -c p2pmail -n '__p2pmail_at \'queue cancel\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'queue cancel\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'queue cancel\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'queue cancel\' 1 more' -k -a '(__p2pmail_list messages)'

complete -c p2pmail -n '__p2pmail_at \'relay\' 1' -a ls -d 'For whom I hold letters, and who holds mine (default)'
complete -c p2pmail -n '__p2pmail_at \'relay\' 1' -a allow -d 'Hold letters for a peer on this machine'
complete -c p2pmail -n '__p2pmail_at \'relay\' 1' -a revoke -d 'Hold nothing more for a peer, and drop what is held'
complete -c p2pmail -n '__p2pmail_at \'relay\' 1' -a use -d 'Let a peer\'s machine hold my letters: name it in my card'
complete -c p2pmail -n '__p2pmail_at \'relay\' 1' -a leave -d 'Do not name it any more'
complete -c p2pmail -n '__p2pmail_at \'relay\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'relay ls\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay ls\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay ls\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay ls\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -l quota -x -d 'At most so many bytes (default 1G)'
complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -l keep -x -d 'Each letter at most so long (default 30d)'
complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay allow\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'relay allow\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'relay revoke\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay revoke\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay revoke\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay revoke\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'relay revoke\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'relay use\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay use\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay use\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay use\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'relay use\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'relay leave\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'relay leave\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'relay leave\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'relay leave\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'relay leave\' 1' -k -a '(__p2pmail_list peers)'

complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -l neomutt -d 'For neomutt instead of mutt'
complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -l tmpdir -d 'Make and print the directory in memory for mutt\'s temporary files'
complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'muttrc\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'config\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'config\'' -l path -d 'Print where the file with settings lies'
complete -c p2pmail -n '__p2pmail_at \'config\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'config\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'config\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'doctor\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'doctor\'' -l offline -d 'Dial nobody'
complete -c p2pmail -n '__p2pmail_at \'doctor\'' -l repair -d 'Mend what a crash has left; set damaged databases aside'
complete -c p2pmail -n '__p2pmail_at \'doctor\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'doctor\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'doctor\'' -l json -d 'Output and errors as JSON, one object a line'

complete -c p2pmail -n '__p2pmail_at \'complete\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'complete\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'complete\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'complete\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'complete\' 1' -k -a 'peers folders messages'

complete -c p2pmail -n '__p2pmail_at \'completion\'' -s h -l help -d 'Print this help and exit'
complete -c p2pmail -n '__p2pmail_at \'completion\'' -s q -l quiet -d 'Say only what is wrong'
complete -c p2pmail -n '__p2pmail_at \'completion\'' -s v -l verbose -d 'Say more, on standard error'
complete -c p2pmail -n '__p2pmail_at \'completion\'' -l json -d 'Output and errors as JSON, one object a line'
complete -c p2pmail -n '__p2pmail_at \'completion\' 1' -k -a 'bash zsh fish'

# completions.zsh DIRECTORY LINE: the words that a zsh with completions from DIRECTORY offers for LINE.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; stty -echo cols 500; unset zle_bracketed_paste
fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D
compadd() {
  local -a _tried; local _word
  builtin compadd -O _tried \"\$@\"
  for _word in \$_tried; do print -r -- \"<word>\$_word</word>\"; done
  builtin compadd \"\$@\"
}
compfinish() { _main_complete; print '<finished>' }
zle -C complete-word complete-word compfinish
bindkey '^I' complete-word
print '<re''ady>'"
integer tries=200
local chunk='' all=''
until [[ $all == *'<ready>'* ]] || ((tries-- == 0)); do
  zpty -r -t shell chunk && all+=$chunk || sleep 0.05
done
zpty -w -n shell "$2"$'\t'
all='' tries=200
until [[ $all == *'<finished>'* ]] || ((tries-- == 0)); do
  zpty -r -t shell chunk && all+=$chunk || sleep 0.05
done
zpty -d shell
print -r -- "$all" | tr -d '\r' | sed -n 's/.*<word>\(.*\)<\/word>.*/\1/p'
[[ $all == *'<finished>'* ]]

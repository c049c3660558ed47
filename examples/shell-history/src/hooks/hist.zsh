# Shell history of `hist`, for zsh:  eval "$(hist hook zsh)"

zmodload zsh/datetime
autoload -Uz add-zsh-hook

__hist_preexec() {
    __hist_line=$1
    __hist_started=${EPOCHREALTIME/./}
    # Of the ten or nine digits that some versions have behind the point, six are kept.
    __hist_started=${__hist_started[1,16]}
}

__hist_precmd() {
    local exit_code=$?
    # As with HIST_IGNORE_SPACE: what begins with a space is not kept.
    if [[ -n ${__hist_line-} && $__hist_line != ' '* ]]; then
        # Through a pipe: other users can see arguments.
        print -rn -- "$__hist_line" | command hist record --exit $exit_code --started-us $__hist_started
    fi
    __hist_line=
    (command hist sync --after 60 >/dev/null 2>&1 &)
    return $exit_code
}
add-zsh-hook preexec __hist_preexec
# First, for the exit status to be the command's.
precmd_functions=(__hist_precmd $precmd_functions)

# Ctrl-R: the best match of what is typed; again: the next one.
__hist_search() {
    if [[ -z ${__hist_shown-} || $BUFFER != "$__hist_shown" ]]; then
        __hist_query=$BUFFER __hist_skip=0
    fi
    local found
    if found=$(print -rn -- "$__hist_query" | command hist pick --skip $__hist_skip); then
        __hist_shown=$found __hist_skip=$((__hist_skip + 1))
        BUFFER=$found CURSOR=$#found
    fi
}
if [[ -o interactive ]]; then
    zle -N __hist_search
    bindkey '^R' __hist_search
fi

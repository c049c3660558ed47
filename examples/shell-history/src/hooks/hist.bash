# Shell history of `hist`, for bash 4.4 or newer:  eval "$(hist hook bash)"

# Expands to nothing and notes when a command begins.
PS0="${PS0-}"'${PS1:$((__hist_started=${EPOCHREALTIME/[^0-9]/}+0, 0)):0}'

__hist_prompt() {
    local status=$? line number
    line=$(HISTTIMEFORMAT='' builtin history 1)
    # What bash keeps out of its history (HISTCONTROL, HISTIGNORE) has no number of its own here either.
    if [[ $line =~ ^\ *([0-9]+)\*?\ \ ?(.*)$ ]]; then
        number=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
        if [[ -n ${__hist_ready-} && $number != "${__hist_number-}" ]]; then
            # Through a pipe: other users can see arguments.
            printf '%s' "$line" | command hist record --exit "$status" --started-us "${__hist_started:-0}"
        fi
        __hist_number=$number
    fi
    __hist_ready=1
    (command hist sync --after 60 >/dev/null 2>&1 &)
    return "$status"
}
PROMPT_COMMAND="__hist_prompt${PROMPT_COMMAND:+; $PROMPT_COMMAND}"

# Ctrl-R: the best match of what is typed; again: the next one.
__hist_search() {
    if [[ -z ${__hist_shown-} || $READLINE_LINE != "$__hist_shown" ]]; then
        __hist_query=$READLINE_LINE __hist_skip=0
    fi
    local found
    if found=$(printf '%s' "$__hist_query" | command hist pick --skip "$__hist_skip"); then
        __hist_shown=$found __hist_skip=$((__hist_skip + 1))
        READLINE_LINE=$found READLINE_POINT=${#found}
    fi
}
[[ $- == *i* ]] && bind -x '"\C-r": __hist_search'

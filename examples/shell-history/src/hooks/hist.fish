# Shell history of `hist`, for fish 3.0 or newer:  hist hook fish | source

function __hist_record --on-event fish_postexec
    set -l exit_code $status
    set -l took $CMD_DURATION
    # As fish itself: what begins with a space is not kept.
    if not string match -q ' *' -- "$argv[1]"
        # Through a pipe: other users can see arguments.
        printf '%s' "$argv[1]" | command hist record --exit $exit_code --took-ms $took
    end
    command hist sync --after 60 >/dev/null 2>&1 &
    disown 2>/dev/null
end

# Ctrl-R: the best match of what is typed; again: the next one.
function __hist_search
    set -l line (commandline | string collect)
    if test -z "$__hist_shown"; or test "$line" != "$__hist_shown"
        set -g __hist_query "$line"
        set -g __hist_skip 0
    end
    if set -l found (printf '%s' "$__hist_query" | command hist pick --skip $__hist_skip | string collect)
        test -n "$found"; or return
        set -g __hist_shown "$found"
        set -g __hist_skip (math $__hist_skip + 1)
        commandline -r -- "$found"
    end
end
if status is-interactive
    bind \cr __hist_search
end

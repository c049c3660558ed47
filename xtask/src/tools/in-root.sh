#!/bin/sh
# Runs the program of this name in the Debian root beside this folder: with the caller's files under their own paths, its
# network and its environment. The mounts are this process's alone, and go with it.
set -eu
folder=$(dirname "$(dirname "$(realpath "$0")")")
if [ "${1-}" != --mounted ]; then
    exec unshare --mount --propagation private "$0" --mounted "$PWD" "$@"
fi
here=$2
shift 2
for host in /*; do
    case $host in
        /bin | /boot | /etc | /lib* | /sbin | /usr | /var) continue ;; # the root has its own
    esac
    [ -d "$host" ] && [ ! -L "$host" ] || continue
    mkdir -p "$folder/root$host"
    mount --rbind "$host" "$folder/root$host"
done
# The last of these folders is where Debian has what belongs to Swift.
exec chroot "$folder/root" env --chdir="$here" PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/swift/bin "$(basename "$0")" "$@"

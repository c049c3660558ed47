#!/bin/sh
# One node of Ceph with its object gateway on loopback, in memory. It makes the user `tidelock`, another one whose keys are for
# writing, and the bucket. All of it ends with this process.
# Its environment: ADDRESS, MON_ADDRESS, BUCKET, DEFENDED_BUCKET, DEFENDED_POLICY, ACCESS_KEY, WRITE_ACCESS_KEY, SECRET_KEY, REGION.
set -eu
folder=$PWD/ceph
mkdir -p "$folder/mon" "$folder/osd"
fsid=$(cat /proc/sys/kernel/random/uuid)
export CEPH_CONF=$folder/ceph.conf
cat > "$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = v2:$MON_ADDRESS
public addr = 127.0.0.1
ms bind ipv6 = false
keyring = $folder/keyring
run dir = $folder
admin socket =
pid file =
log file = $folder/\$name.log
crash dir = $folder
mon data = $folder/mon
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw frontends = beast endpoint=$ADDRESS
rgw dynamic resharding = false
CONF
ceph-authtool --create-keyring "$folder/keyring" --gen-key --name mon. --cap mon 'allow *'
ceph-authtool "$folder/keyring" --gen-key --name client.admin --cap mon 'allow *' --cap osd 'allow *'
ceph-authtool "$folder/keyring" --gen-key --name osd.0 --cap mon 'allow *' --cap osd 'allow *'

monmaptool --create --fsid "$fsid" --addv a "[v2:$MON_ADDRESS]" "$folder/monmap"
ceph-mon --mkfs --id a --monmap "$folder/monmap" --keyring "$folder/keyring"
setpriv --pdeathsig KILL ceph-mon --foreground --id a &

osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd" 0
ceph-osd --id 0 --mkfs --osd-uuid "$osd"
setpriv --pdeathsig KILL ceph-osd --foreground --id 0 &

radosgw-admin user create --uid tidelock --display-name Tidelock --access-key "$ACCESS_KEY" --secret-key "$SECRET_KEY"
radosgw-admin user create --uid tidelock-writer --display-name Writer --access-key "$WRITE_ACCESS_KEY" --secret-key "$SECRET_KEY"
setpriv --pdeathsig KILL radosgw --foreground --name client.admin &

put() {
    curl --silent --fail --output /dev/null --aws-sigv4 "aws:amz:$REGION:s3" --user "$ACCESS_KEY:$SECRET_KEY" \
        --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --request PUT "$@"
}
until put "http://$ADDRESS/$DEFENDED_BUCKET"; do sleep 0.1; done
put --data-binary "@$DEFENDED_POLICY" "http://$ADDRESS/$DEFENDED_BUCKET?policy="
# Last: whoever waits for this bucket finds all of it.
put "http://$ADDRESS/$BUCKET"
wait

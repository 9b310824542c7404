#!/bin/bash
# Makes what compose/secured.yml needs, in compose/secrets: a CA, certificates of the brokers and of Kafka's
# administrator, a password for each component. What is there already is kept: to have something anew, remove it.
#
#   compose/secured/make.sh [NAME…]
#
# NAME is a further host name or address by which clients elsewhere call the brokers (KAFKA_OUTSIDE).
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
mkdir -p secrets
cd secrets

key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
components=(setup capture collector workers exporter-elasticsearch exporter-recipients exporter-files
            exporter-prometheus exporter-mirror console operator)

# The key and the certificate of $1 in one file, for the names in $2.
issue() {
    [ -e "$1.pem" ] && return
    openssl req -new "${key[@]}" -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days 825 -out "$1.crt" \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$2") 2>/dev/null
    cat "$1.key" "$1.crt" > "$1.pem"
    rm "$1.csr"
    echo "made the certificate of $1, valid until $(openssl x509 -in "$1.crt" -noout -enddate | cut -d= -f2)"
}

command -v openssl > /dev/null || { echo 'make.sh: openssl is missing: install it (apt-get install openssl)' >&2; exit 1; }
if [ ! -e ca.pem ]; then
    openssl req -x509 "${key[@]}" -subj '/CN=Tapline' -days 3650 -keyout ca.key -out ca.pem \
      -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
    echo 'made a CA'
fi
names=DNS:kafka,DNS:kafka-2,DNS:kafka-3,DNS:localhost,IP:127.0.0.1
for name in "$@"; do
    if [[ "$name" =~ ^[0-9.]+$|: ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
done
issue broker "$names"
issue admin DNS:admin
for component in "${components[@]}"; do
    if [ ! -e "$component.password" ]; then
        openssl rand -hex 24 > "$component.password"
        echo "made the password of $component"
    fi
done
# Nobody else enters this folder; who runs in a container, where one of these files is mounted, reads that one.
chmod 700 .
chmod 444 ca.pem broker.pem admin.crt admin.key ./*.password

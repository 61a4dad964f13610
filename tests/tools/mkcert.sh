#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mkcert.sh FOLDER: two authorities (ca.pem, other-ca.pem), and certificates by the first one with
# their keys: good.pem for the loopback, elsewhere.pem for another host, expired.pem.
set -eu
cd "$1"

key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
for name in ca other-ca; do
  # shellcheck disable=SC2086 # words
  openssl req -x509 $key -keyout "$name.key" -out "$name.pem" -subj "/CN=$name" -days 2
done
certificate () # NAME SUBJECT-ALTERNATIVE-NAME DAYS SERIAL
{
  printf 'subjectAltName=%s\n' "$2" > "$1.ext"
  # shellcheck disable=SC2086 # words
  openssl req $key -keyout "$1.key" -out "$1.req" -subj "/CN=$1"
  openssl x509 -req -in "$1.req" -CA ca.pem -CAkey ca.key -set_serial "$4" -days "$3" \
    -extfile "$1.ext" -out "$1.pem"
}
certificate good IP:127.0.0.1,DNS:localhost 2 1
certificate elsewhere DNS:elsewhere.example 2 2
certificate expired IP:127.0.0.1,DNS:localhost -1 3
